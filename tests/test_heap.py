"""What a training step frees is used again by the next one, without the system's help."""

import platform
import subprocess
import sys

import pytest

STEPS = """\
import resource
import sys

import numpy as np

if sys.argv[1] == "kept":
    from fedgin.heap import keep_freed_memory

    assert keep_freed_memory()


def step():
    blocks = [np.ones(100_000 + 10 * i, dtype=np.float64) for i in range(40)]
    return sum(block[0] for block in blocks)


for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """Counts the pages that ten steps take from the system, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", STEPS, how], capture_output=True, text=True, check=True, timeout=60
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc takes the advice")
def test_freed_memory_is_used_again() -> None:
    """By default each of the 40 blocks of 0.8 MB is taken from the system anew."""
    assert faults("default") > 10_000
    assert faults("kept") < 1_000
