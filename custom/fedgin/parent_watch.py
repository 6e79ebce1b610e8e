"""Processes that end with the one that started them, however that one ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

POLL_SECONDS = 0.5


def end_with_parent() -> None:
    """Ends this process, made by `multiprocessing`, as soon as its parent is gone.

    A worker of a pool waits for work on a pipe that it holds open itself: without this it would
    wait for ever after its parent was killed.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="parent_watch", daemon=True).start()


def guarded(command: Sequence[str]) -> list[str]:
    """Returns a command that runs another one for as long as this process lives.

    Start it in a session of its own: when this process is gone, everything in it is killed.
    """
    return [sys.executable, "-m", "fedgin.parent_watch", str(os.getpid()), *command]


def main(arguments: Sequence[str]) -> int:
    """Runs a command; kills its whole process group once the parent is another one.

    Args:
        arguments: The parent's process number, and the command.

    Returns:
        The command's exit code.
    """
    parent, command = int(arguments[0]), list(arguments[1:])
    process = subprocess.Popen(command)
    while process.poll() is None:
        if os.getppid() != parent:
            os.killpg(0, signal.SIGKILL)
        time.sleep(POLL_SECONDS)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
