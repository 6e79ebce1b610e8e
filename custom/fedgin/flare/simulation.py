"""Running a job in FLARE's simulator, and reading what the run left."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedgin.engine.history import read_history
from fedgin.engine.patient_scores import PatientScore, read_scores
from fedgin.engine.site_work import HISTORY_FILE, SCORE_FOLDER
from fedgin.errors import FedginError, Problem
from fedgin.parent_watch import guarded
from fedgin.sites.lookup import FOLDER_VARIABLE

JOB_NAME = "simulate_job"
LAST_MODEL = "SRV_FL_global_model.pt"


class SimulationError(FedginError):
    """A simulated federation did not do what it should."""


@dataclass(frozen=True)
class Simulation:
    """A finished run of the simulator.

    Attributes:
        workspace: The simulator's workspace.
        report: The server's report.json.
    """

    workspace: Path
    report: dict[str, Any]

    @property
    def last_model(self) -> Path:
        """The last global model."""
        return self.workspace / "server" / JOB_NAME / "app_server" / "FL_global_model.pt"

    def cross_site_results(self) -> dict[str, dict[str, Any]]:
        """Reads FLARE's results of cross-site evaluation, by site and model."""
        file = self.workspace / "server" / JOB_NAME / "cross_site_val" / "cross_val_results.json"
        results: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
        return results

    def scores(self, site: str) -> list[PatientScore]:
        """Reads the patients' scores of the last global model, from the site's own folder."""
        name = LAST_MODEL.replace(".", "_")
        return read_scores(self.workspace / site / JOB_NAME / SCORE_FOLDER / f"{name}.csv")

    def losses(self, site: str) -> list[float | None]:
        """Reads a site's mean training loss of each round, from the site's own folder."""
        history = read_history(self.workspace / site / JOB_NAME / HISTORY_FILE)
        return [history[number]["loss"] for number in sorted(history)]


def simulate(
    job: Path,
    *,
    workspace: Path,
    sites: Sequence[str],
    site_configs: Path,
    log: Path,
    local_files: Sequence[Path] = (),
    on_start: Callable[[subprocess.Popen[bytes]], None] = lambda process: None,
) -> Simulation:
    """Runs a job with `nvflare simulator`, every site in a process of its own.

    Args:
        job: The exported job.
        workspace: Workspace to make; one that exists is removed.
        sites: Names of the sites.
        site_configs: Folder with the sites' files.
        log: File for everything that FLARE prints.
        local_files: Files for every participant's `local` folder, such as a `privacy.json`.
        on_start: Told the process, so that someone can stop it; it leads a session of its own.

    Raises:
        SimulationError: The run left no report, or its report names failures. Exit codes say
            nothing: the simulator returns 0 after failures too.
    """
    shutil.rmtree(workspace, ignore_errors=True)
    (workspace / "local").mkdir(parents=True)
    for file in local_files:
        shutil.copy(file, workspace / "local")
    environment = {**os.environ, FOLDER_VARIABLE: str(site_configs.resolve())}
    with log.open("wb") as output, _plain_path(workspace.resolve()) as plain:
        command = [
            *(sys.executable, "-m", "nvflare.cli", "simulator", str(job.resolve())),
            *("-w", str(plain), "-c", ",".join(sites), "-t", str(len(sites))),
        ]
        process = subprocess.Popen(
            guarded(command),  # a killed study leaves no simulator behind
            cwd=workspace,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        on_start(process)
        try:
            process.wait()
        finally:
            stop(process)
    return _read(workspace, log)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a simulator with all its sites' processes."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


@contextmanager
def _plain_path(workspace: Path) -> Iterator[Path]:
    """Gives a workspace a path that FLARE can hand on.

    FLARE starts its sites by one line of text, which it splits at blanks, quotes and '#', and puts
    paths into PYTHONPATH, which is split at ':'. It removes the workspace itself, which may
    therefore be no link: a link leads to the folder around it.

    Raises:
        SimulationError: Even the folder for temporary files has such a path.
    """
    if _is_plain(workspace):
        yield workspace
        return
    with tempfile.TemporaryDirectory(prefix="fedgin-") as folder:
        link = Path(folder) / "run"
        link.symlink_to(workspace.parent, target_is_directory=True)
        if not _is_plain(link / workspace.name):
            raise SimulationError(
                Problem(
                    "the folder for temporary files",
                    "its path must have no blank, quote, backslash, '#' or ':'",
                    folder,
                    "set TMPDIR to another folder",
                )
            )
        yield link / workspace.name


def _is_plain(path: Path) -> bool:
    try:
        return shlex.split(str(path), comments=True) == [str(path)] and ":" not in str(path)
    except ValueError:  # a quote that nothing closes
        return False


def _read(workspace: Path, log: Path) -> Simulation:
    file = workspace / "server" / JOB_NAME / "report.json"
    if not file.is_file():
        raise SimulationError(
            Problem(
                "simulated federation",
                "a run must leave a report",
                _last_words(log),
                f"read {log}",
            )
        )
    report = json.loads(file.read_text(encoding="utf-8"))
    if failures := report["failures"]:
        raise SimulationError(
            Problem(
                "simulated federation",
                "every site must do its part in every round",
                "; ".join(failures),
                f"read {log}",
            )
        )
    return Simulation(workspace=workspace, report=report)


def _last_words(log: Path) -> str:
    """Returns the last line that speaks of an error, or just the last one."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line or "refused" in line or "Error" in line]
    return ((errors or lines or ["nothing was printed"])[-1])[-300:]
