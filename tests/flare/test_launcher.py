"""The site's launcher, on real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest
from nvflare.apis.job_launcher_spec import JobReturnCode
from nvflare.app_common.job_launcher.process_launcher import ProcessHandle

from fedgin.flare.launcher import RelaunchingHandle, RelaunchingLauncher


class Processes:
    """Starts processes of a kind and remembers them."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.started: list[subprocess.Popen[bytes]] = []

    def __call__(self) -> ProcessHandle:
        # In a session of its own, as FLARE starts them: it ends a job by its process group.
        process = subprocess.Popen([sys.executable, "-c", self.code], start_new_session=True)
        self.started.append(process)
        return ProcessHandle(process=process)


SLEEP = "import time; time.sleep(60)"


def wait_in_thread(handle: RelaunchingHandle) -> threading.Thread:
    thread = threading.Thread(target=handle.wait, daemon=True)
    thread.start()
    return thread


def kill_newest(processes: Processes, *, number: int) -> None:
    end = time.monotonic() + 10
    while len(processes.started) < number and time.monotonic() < end:
        time.sleep(0.02)
    assert len(processes.started) == number
    processes.started[-1].send_signal(signal.SIGKILL)


def test_a_killed_process_is_started_again_and_then_given_up() -> None:
    processes = Processes(SLEEP)
    handle = RelaunchingHandle(processes, relaunches=1)
    waiting = wait_in_thread(handle)
    kill_newest(processes, number=1)
    kill_newest(processes, number=2)
    waiting.join(timeout=10)
    assert not waiting.is_alive()
    # Unknown is what FLARE does not count as a failure of the job.
    assert handle.poll() == JobReturnCode.UNKNOWN
    assert len(processes.started) == 2


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 1), (3, 1)])
def test_an_end_by_its_own_decision_is_reported_and_not_repeated(code: int, expected: int) -> None:
    processes = Processes(f"raise SystemExit({code})")
    handle = RelaunchingHandle(processes, relaunches=1)
    handle.wait()
    assert handle.poll() == expected
    assert len(processes.started) == 1


def test_an_aborted_process_is_not_started_again() -> None:
    processes = Processes(SLEEP)
    handle = RelaunchingHandle(processes, relaunches=5)
    waiting = wait_in_thread(handle)
    handle.terminate()
    waiting.join(timeout=10)
    assert not waiting.is_alive()
    assert len(processes.started) == 1
    assert handle.poll() == JobReturnCode.EXECUTION_ERROR


def test_where_no_other_process_may_start_the_killed_one_is_given_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    processes = Processes(SLEEP)

    def launch() -> ProcessHandle:
        if processes.started:
            raise RuntimeError("code approval: the app on the disk is another")
        return processes()

    handle = RelaunchingHandle(launch, relaunches=3)
    waiting = wait_in_thread(handle)
    kill_newest(processes, number=1)
    waiting.join(timeout=10)
    assert not waiting.is_alive()
    assert handle.poll() == JobReturnCode.UNKNOWN
    assert "the app on the disk is another" in caplog.text


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        RelaunchingLauncher(relaunches=-1)
