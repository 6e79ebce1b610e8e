"""poc/demo.sh: one command from nothing to results, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from .federation import HOSPITALS, contributions, report_of, wait_until

PORT = 8002


class Demo:
    """The script in a home and a temporary folder of its own."""

    def __init__(self, script: Path, folder: Path) -> None:
        self.script = script
        self.out = folder / "out"
        self.home = folder / "home"
        self.temporary = folder / "tmp"
        self.log = folder / "demo.log"
        for made in (self.home, self.temporary):
            made.mkdir()
        self.environment = {
            **os.environ,
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "STEPS": "5",
            "ROUNDS": "2",
        }

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("wb") as log:
            return subprocess.Popen(
                ["bash", str(self.script), str(self.out)],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self) -> int:
        return self.start().wait(timeout=540)

    def printed(self) -> str:
        return self.log.read_text(errors="replace")

    def leftovers(self) -> list[str]:
        """Names processes and files that should be gone."""
        found = [str(path) for path in self.temporary.iterdir()]
        for process in psutil.process_iter():
            try:
                command = " ".join(process.cmdline())
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
            if str(self.temporary) in command:
                found.append(command)
        return found


@pytest.fixture
def demo(repository: Path, tmp_path: Path) -> Iterator[Demo]:
    made = Demo(repository / "poc" / "demo.sh", tmp_path)
    yield made
    for process in psutil.process_iter():
        try:
            if str(made.temporary) in " ".join(process.cmdline()):
                process.kill()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue


@pytest.mark.slow
def test_it_ends_with_a_table_models_report_and_nothing_else_left(demo: Demo) -> None:
    assert demo.run() == 0, demo.printed()
    printed = demo.printed()
    for site in HOSPITALS:
        assert f"round 1 of 2: {site} contributed" in printed
        assert list((demo.out / "sites" / site / "test_scores").glob("*.csv"))
    assert "=== federated heart, augmentation gin: complete ===" in printed
    result = demo.out / "result"
    everyone = dict.fromkeys(HOSPITALS, "accepted")
    assert contributions(result) == {1: everyone, 2: everyone}
    assert report_of(result)["failures"] == []
    assert (result / "app_server" / "best_FL_global_model.pt").is_file()
    assert (result / "report.html").is_file()
    assert (result / "tb_events" / "hospital-c").is_dir()
    assert demo.leftovers() == []
    assert not (demo.home / ".nvflare").exists()


@pytest.mark.slow
def test_it_cleans_up_when_it_is_interrupted(demo: Demo) -> None:
    process = demo.start()
    wait_until(
        lambda: "--- submit" in demo.printed() or process.poll() is not None,
        seconds=120,
        what="the job's submission",
    )
    assert process.poll() is None, demo.printed()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=90) == 130
    assert demo.leftovers() == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", PORT)) != 0


def test_a_port_in_use_is_refused(demo: Demo) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", PORT))
        other.listen()
        assert demo.run() == 2
    assert f"port {PORT}: it must be free" in demo.printed()
    assert "nvflare poc stop" in demo.printed()
    assert not demo.out.exists()


def test_a_folder_with_something_in_it_is_refused(demo: Demo) -> None:
    demo.out.mkdir()
    (demo.out / "mine.txt").write_text("mine")
    assert demo.run() == 2
    assert "must be new or empty" in demo.printed()
    assert [file.name for file in demo.out.iterdir()] == ["mine.txt"]


def test_a_site_without_a_file_is_refused(demo: Demo, repository: Path, tmp_path: Path) -> None:
    copy = tmp_path / "checkout"
    shutil.copytree(repository / "poc", copy / "poc")
    (copy / "poc" / "sites" / "hospital-b.yaml").unlink()
    demo.script = copy / "poc" / "demo.sh"
    assert demo.run() == 2
    assert "site hospital-b: it needs its own poc/sites/hospital-b.yaml" in demo.printed()
