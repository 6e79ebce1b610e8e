"""A process may hold many volumes open, or says why it cannot."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fedgin.data.prepare import ARRAYS, prepare_site
from fedgin.open_files import SPARE
from fedgin.settings import ResolvedSettings
from fedgin.sites.lookup import Site

SCRIPT = """
import resource, sys, tempfile
from fedgin.errors import ConfigError
from fedgin.open_files import allow_open_files

soft, hard, more = (int(text) for text in sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
try:
    allow_open_files(more)
except ConfigError as error:
    sys.stdout.write(str(error))
else:
    files = [tempfile.TemporaryFile() for _ in range(more)]
    sys.stdout.write(f"{len(files)} open, soft limit {resource.getrlimit(7)[0]}")
"""


def ask(soft: int, hard: int, more: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(soft), str(hard), str(more)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="numbers of limits are Linux's")
def test_the_limit_rises_as_far_as_is_needed() -> None:
    assert ask(512, 4000, 1000).startswith("1000 open, soft limit 1")
    assert ask(512, 4000, 100) == "100 open, soft limit 512"


@pytest.mark.skipif(sys.platform != "linux", reason="numbers of limits are Linux's")
def test_more_than_the_system_allows_is_refused_with_the_number() -> None:
    said = ask(300, 600, 1000)
    assert "at most 600 allowed" in said
    assert "ulimit -Hn 12" in said


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files in /proc")
def test_a_sites_volumes_are_counted_before_they_are_opened(
    load: Callable[[str], Site], quick: ResolvedSettings
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    already = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (already + 50, hard))
    try:
        data = prepare_site(load("site-1"), quick)
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        opened = len(list(Path("/proc/self/fd").iterdir())) - already
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    cases = sum(len(split) for split in data.splits.values())
    assert opened >= ARRAYS * cases
    assert allowed >= already + ARRAYS * cases + SPARE - 5
