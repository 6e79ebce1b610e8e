"""How many files this process may have open: a memory-mapped array takes one."""

from __future__ import annotations

import resource
from pathlib import Path

from fedgin.errors import ConfigError, Problem

SPARE = 256
"""Files left for sockets, libraries and logs."""


def allow_open_files(more: int) -> None:
    """Raises this process's own limit, where needed, so that so many more files can be open.

    Args:
        more: Files that are to be opened and stay open.

    Raises:
        ConfigError: The system does not allow that many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = len(list(Path("/dev/fd").iterdir())) + more + SPARE
    if soft in (resource.RLIM_INFINITY, -1) or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ConfigError(
            Problem(
                "open files",
                f"this process must be allowed {needed}: each prepared volume keeps some open",
                f"at most {hard} allowed",
                f"raise the hard limit (`ulimit -Hn {needed}`, or LimitNOFILE of the service)",
            )
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
