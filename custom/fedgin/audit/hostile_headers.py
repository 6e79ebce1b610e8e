"""Audit row: damaged and dishonest NIfTI files against the bounded reader, and against nibabel."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from fedgin.audit.hostile_worker import NIBABEL_BYTES
from fedgin.audit.row import AuditRow, Figure
from fedgin.files import MIB

FILES, NIBABEL_FILES = 2000, 100
MAX_SECONDS, MAX_PEAK, MAX_PROMISE_PEAK = 2.0, 200 * MIB, 20 * MIB
_TIMEOUT = 300


def run(*, folder: Path, seed: int) -> AuditRow:
    """Reads 2,000 mutated files and the 63-byte file that promises 1024^3 voxels.

    A file counts as read rightly where nibabel, reading it too, finds the same voxels. Memory is
    the larger of what Python and numpy asked for and of the growth of the resident set; time is
    that of the processor.

    Args:
        folder: An empty folder for files.
        seed: Seed of the mutations.
    """
    start = time.perf_counter()
    ours = _outcomes("bounded", folder, seed, FILES)
    theirs = _outcomes("nibabel", folder, seed, NIBABEL_FILES)
    counts = Counter(str(outcome["result"]) for outcome in ours["files"])
    unclean = FILES - counts["refused"] - counts["read"]
    peak = max(outcome["peak"] for outcome in ours["files"])
    seconds = max(outcome["seconds"] for outcome in [*ours["files"], ours["promise"]])
    promise = ours["promise"]
    defended = (
        Figure("files", FILES),
        Figure("refused", counts["refused"]),
        Figure("read as nibabel reads them", counts["read"]),
        Figure("anything else", unclean),
        Figure("peak extra memory", peak / MIB, "MiB"),
        Figure("worst time", seconds, "s"),
        Figure("63-byte file, extra memory", promise["peak"] / MIB, "MiB"),
    )
    exhausted = theirs["promise"]["result"] == "memory"
    return AuditRow(
        attack="mutated NIfTI headers and bodies; 63 bytes that promise 1024^3 voxels",
        without=_without(theirs, exhausted=exhausted),
        defended=defended,
        bound="refused or read rightly; 200 MiB and 2 s each; 20 MiB for the 63 bytes; "
        f"nibabel alone takes more than {NIBABEL_BYTES // MIB} MiB for them",
        holds=unclean == 0
        and counts["read"] > 0
        and promise["result"] == "refused"
        and peak < MAX_PEAK
        and seconds < MAX_SECONDS
        and promise["peak"] < MAX_PROMISE_PEAK
        and exhausted,
        seconds=time.perf_counter() - start,
    )


def _without(theirs: dict[str, Any], *, exhausted: bool) -> tuple[Figure, ...]:
    results = [str(outcome["result"]) for outcome in theirs["files"]]
    asked = NIBABEL_BYTES if exhausted else theirs["promise"]["peak"]
    return (
        Figure("files, nibabel alone", len(results)),
        Figure("other errors than a refusal", sum(r.startswith("error") for r in results)),
        Figure("out of memory", results.count("memory")),
        Figure("read, not 3D or not finite", results.count("read wrongly")),
        Figure("63-byte file, extra memory at least", asked / MIB, "MiB"),
    )


def _outcomes(reader: str, folder: Path, seed: int, count: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "fedgin.audit.hostile_worker"]
    command += [reader, str(folder), str(seed), str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT)
    outcomes: dict[str, Any] = json.loads(done.stdout)
    return outcomes
