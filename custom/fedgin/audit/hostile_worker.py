"""Reads hostile files in a process of its own, and writes what came of each as JSON.

Run as `python -m fedgin.audit.hostile_worker READER FOLDER SEED COUNT`. READER is `bounded`, our
reader, or `nibabel`, which may take only `NIBABEL_BYTES` more than it starts with.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from fedgin.audit.mutations import mutated_file, promise_file
from fedgin.data.nifti import read_nifti
from fedgin.errors import DataError

NIBABEL_BYTES = 2**30
KINDS: tuple[Literal["image", "label"], ...] = ("image", "label")


def main() -> None:
    """Reads the arguments, reads the files, writes the outcomes to standard output."""
    reader, folder, seed, count = sys.argv[1:]
    read = _bounded if reader == "bounded" else _nibabel
    if reader == "nibabel":
        _limit_memory()
    promise = _outcome(read, _written(Path(folder), ".nii.gz", promise_file()), 0)
    outcomes = []
    for index in range(int(count)):
        path = _written(Path(folder), *mutated_file(index, seed=int(seed)))
        outcomes.append(_outcome(read, path, index))
        path.unlink()
    sys.stdout.write(json.dumps({"promise": promise, "files": outcomes}))


def _written(folder: Path, suffix: str, content: bytes) -> Path:
    path = folder / f"hostile{suffix}"
    path.write_bytes(content)
    return path


def _outcome(read: Callable[[Path, int], str], path: Path, index: int) -> dict[str, Any]:
    """Returns what came of a file, CPU seconds, and the most memory taken meanwhile in bytes."""
    resident = _peak_resident()
    tracemalloc.start()
    start = time.process_time()
    try:
        result = read(path, index)
    except MemoryError:
        result = "memory"
    except Exception as error:  # whatever else a hostile file provokes is what is counted
        result = f"error {type(error).__name__}"
    seconds = time.process_time() - start
    traced = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    peak = max(traced, _peak_resident() - resident)
    return {"result": result, "seconds": seconds, "peak": peak}


def _bounded(path: Path, index: int) -> str:
    try:
        volume = read_nifti(path, kind=KINDS[index // 2 % 2])
    except DataError:
        return "refused"
    image = (nib.Nifti1Image if _is_first(path) else nib.Nifti2Image).from_filename(path)
    truth = np.asanyarray(image.dataobj)
    shape = truth.shape[:3]
    # Labels may lie 0.001 from whole numbers.
    same = shape == volume.array.shape and np.allclose(
        truth.reshape(shape).astype(np.float32), volume.array, rtol=1e-6, atol=1e-3
    )
    return "read" if same and np.allclose(volume.affine, image.affine) else "read wrongly"


def _is_first(path: Path) -> bool:
    from fedgin.data.nifti_stream import open_stream

    with open_stream(path) as stream:
        return 348 in (int.from_bytes(head := stream.read(4), "little"), int.from_bytes(head))


def _nibabel(path: Path, _: int) -> str:
    try:
        array = np.asanyarray(nib.load(path).dataobj)
    except (ImageFileError, HeaderDataError):
        return "refused"
    return "read" if array.ndim == 3 and np.isfinite(array).all() else "read wrongly"


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + NIBABEL_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _peak_resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
