"""A provisioned federation on this machine: real kits, real processes, real TLS."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import torch

from fedgin.approval.approved_list import APPROVED_FILE, approve
from fedgin.approval.job_apps import app_for_site, job_apps

SERVER = "fedgin-server"
HOSPITALS = ("hospital-a", "hospital-b", "hospital-c")
TINY = (
    *("channels=[8,16,32]", "patch_size=[64,64]", "spacing=[5.0,5.0,null]"),
    *("batch_size=4", "steps_per_round=4", "min_clients=2"),
)


def free_port() -> int:
    """Returns a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], Any], *, seconds: float, what: str) -> Any:
    """Waits for a condition and returns its value.

    Raises:
        TimeoutError: It did not become true in time.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.3)
    raise TimeoutError(f"not within {seconds} s: {what}")


@dataclass
class Federation:
    """Kits in a folder, and what can be done with them.

    Attributes:
        folder: Folder with the project file, kits, storage and a home of its own.
        repository: The checkout in which commands run.
        sites: Names of the hospitals.
        environment: Variables of every command; the walk-through's exports are added.
    """

    folder: Path
    repository: Path
    sites: tuple[str, ...] = HOSPITALS
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "home").mkdir(parents=True, exist_ok=True)
        paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
        self.environment = {
            **os.environ,
            "HOME": str(self.folder / "home"),
            "PATH": os.pathsep.join(paths),
            "FED": str(self.folder),
            "FEDGIN_STORAGE": str(self.folder / "storage"),
            **self.environment,
        }

    @property
    def kits(self) -> Path:
        """Folder with a kit for each participant."""
        return self.folder / "fedgin" / "prod_00"

    def kit(self, name: str) -> Path:
        """The kit of a participant."""
        return self.kits / name

    def bash(self, script: str, *, timeout: float = 300) -> str:
        """Runs commands as a reader would, and keeps the variables that they export.

        Returns:
            What they printed on stdout and stderr.
        """
        marker, exported = "---exported---", self.folder / "exported"
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{script}\nenv -0 > '{exported}'; echo {marker}"],
            cwd=self.repository,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert result.returncode == 0, f"{script}\n{result.stdout[-4000:]}"
        entries = exported.read_text().split("\0")
        self.environment = dict(entry.split("=", 1) for entry in entries if "=" in entry)
        return result.stdout.replace(marker, "")

    def nvflare(self, *arguments: str, user: str = "lead@hospital-a.org") -> Any:
        """Runs `nvflare` with an administrator's kit and returns its JSON answer's data."""
        answer = self.ask(*arguments, user=user)
        assert answer["status"] == "ok", answer
        return answer["data"]

    def ask(self, *arguments: str, user: str) -> dict[str, Any]:
        """Runs `nvflare` with an administrator's kit and returns its JSON answer."""
        command = [sys.executable, "-m", "nvflare.cli", "--format", "json", *arguments]
        result = subprocess.run(
            [*command, "--startup-kit", str(self.kit(user))],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        lines = [line for line in result.stdout.splitlines() if line.startswith("{")]
        assert lines, result.stdout + result.stderr
        answer: dict[str, Any] = json.loads(lines[-1])
        return answer

    def approve(self, job: Path) -> None:
        """Approves a job at each site that has a list of approved code, as its officer would."""
        for site in self.sites:
            file = self.kit(site) / "local" / APPROVED_FILE
            if file.is_file():
                sha256 = app_for_site(job_apps(job), site).sha256
                approve(file, sha256=sha256, note=f"{job.name}, by a test")

    def submit(self, job: Path, *, approved: bool = True) -> str:
        """Submits a job, which sites that approve code approve first, and returns its identifier.

        Args:
            job: Its folder.
            approved: False leaves the lists of approved code as they are.
        """
        if approved:
            self.approve(job)
        identifier: str = self.nvflare("job", "submit", "-j", str(job))["job_id"]
        return identifier

    def status(self, job: str) -> str:
        """Returns what the server says of a job, such as FINISHED:COMPLETED."""
        listed = self.nvflare("job", "list")
        jobs = listed["jobs"] if isinstance(listed, dict) else listed
        return next(str(row["status"]) for row in jobs if row["job_id"] == job)

    def wait(self, job: str, *, seconds: float = 240) -> str:
        """Waits for a job's end and returns its status."""
        status: str = wait_until(
            lambda: (found := self.status(job)).startswith("FINISHED") and found,
            seconds=seconds,
            what=f"end of job {job}",
        )
        return status

    def run(self, job: Path, *, seconds: float = 240) -> Path:
        """Submits a job, waits for its end and returns its downloaded workspace."""
        identifier = self.submit(job)
        self.wait(identifier, seconds=seconds)
        return self.download(identifier)

    def download(self, job: str) -> Path:
        """Downloads a job's result and returns its workspace."""
        self.nvflare("job", "download", job, "-o", str(self.folder / "results"))
        return self.folder / "results" / job / "workspace"

    def job_log(self, job: str, *, site: str = SERVER) -> str:
        """Returns a participant's own log of a job."""
        file = self.kit(site) / job / "log.txt"
        return file.read_text(errors="replace") if file.is_file() else ""

    def wait_for_line(
        self, job: str, text: str, *, site: str = SERVER, seconds: float = 150
    ) -> None:
        """Waits until a participant's log of a job has a text."""
        wait_until(
            lambda: text in self.job_log(job, site=site), seconds=seconds, what=f"'{text}' in a log"
        )

    def processes(self, site: str) -> list[psutil.Process]:
        """Lists all processes of a participant: its start script, its parent and its jobs."""
        return [process for process in _processes() if str(self.kit(site)) in _command(process)]

    def job_processes(self, site: str, job: str) -> list[psutil.Process]:
        """Lists the processes in which a participant runs a job."""
        return [process for process in self.processes(site) if job in _command(process)]

    def kill_job(self, site: str, job: str) -> int:
        """Kills a participant's process of a job, as the kernel does when memory is short."""
        process = wait_until(
            lambda: self.job_processes(site, job), seconds=60, what=f"a job process of {site}"
        )[0]
        process.send_signal(signal.SIGKILL)
        identifier: int = process.pid
        return identifier

    def kill_site(self, site: str) -> None:
        """Kills everything of a participant, as when its machine is switched off."""
        for _ in range(3):  # the start script may just be starting another
            for process in self.processes(site):
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
            time.sleep(0.2)
        for name in ("pid.fl", "daemon_pid.fl", "shutdown.fl", "restart.fl"):
            (self.kit(site) / name).unlink(missing_ok=True)

    def start_all(self) -> None:
        """Starts the server and all sites at once and waits until they have joined."""
        for site in (SERVER, *self.sites):
            self.launch(site)
        for site in (SERVER, *self.sites):
            self.wait_for_start(site)

    def start_site(self, site: str) -> None:
        """Starts a participant's kit and waits until it has joined."""
        self.launch(site)
        self.wait_for_start(site)

    def launch(self, site: str) -> None:
        """Runs a kit's start script."""
        log = self.kit(site) / "start.log"
        log.unlink(missing_ok=True)
        with log.open("wb") as output:
            subprocess.Popen(
                [str(self.kit(site) / "startup" / "start.sh")],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for_start(self, site: str) -> None:
        """Waits until a participant has joined."""
        log = self.kit(site) / "start.log"
        joined = "Server started" if site == SERVER else "Successfully registered client"
        wait_until(
            lambda: joined in log.read_text(errors="replace"), seconds=90, what=f"start of {site}"
        )

    def clients(self) -> list[str]:
        """Names the sites that the server knows; after its restart there are none at first."""
        answer = self.ask("system", "status", user="admin@consortium.org")
        return sorted(row["client_name"] for row in (answer.get("data") or {}).get("clients", []))

    def stop(self) -> None:
        """Ends every process of the federation."""
        for name in (*self.sites, SERVER):
            self.kill_site(name)


def contributions(workspace: Path) -> dict[int, dict[str, str]]:
    """Reads who contributed: by round (from 1) the state of each site."""
    rounds: dict[int, dict[str, str]] = {}
    with (workspace / "contributions.csv").open() as file:
        for row in csv.DictReader(file):
            rounds.setdefault(int(row["round"]), {})[row["site"]] = row["contribution"]
    return rounds


def report_of(workspace: Path) -> dict[str, Any]:
    """Reads a run's report."""
    report: dict[str, Any] = json.loads((workspace / "report.json").read_text())
    return report


def weights(workspace: Path) -> dict[str, torch.Tensor]:
    """Reads a run's last global model."""
    file = workspace / "app_server" / "FL_global_model.pt"
    model: dict[str, torch.Tensor] = torch.load(file, weights_only=True)["model"]
    return model


def copy_project(
    repository: Path, folder: Path, *, port: int, project: str = "project.yml"
) -> None:
    """Copies a project file as a reader would who needs another port."""
    text = (repository / "poc" / "provision" / project).read_text()
    assert "8002" in text
    (folder / "project.yml").write_text(text.replace("8002", str(port)))


def _processes() -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        if process.pid != os.getpid():
            yield process


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""
