"""The memory of a site's process: as its volumes become more, and beside the doctor's estimate."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fedgin.bench.figures import Figure, Mark
from fedgin.bench.options import BenchOptions
from fedgin.data.cache import CacheEntry, VolumeCache
from fedgin.data.prepare import PreparedCase
from fedgin.data.prepare_case import sample_foreground
from fedgin.engine.memory_need import memory_need
from fedgin.engine.step_cost import noise_case
from fedgin.engine.step_probe import probe_steps
from fedgin.engine.trainer import Trainer
from fedgin.engine.weights import get_weights
from fedgin.seeding import numpy_generator
from fedgin.settings import ResolvedSettings
from fedgin.sites.folders import CacheSettings
from fedgin.threads import set_threads

GROUP = "memory"
FEW, MANY = 20, 200
FLAT, EXACT = 1.1, 20.0
STEPS = 120
SHAPE = (32, 96, 96)
"""Voxels of a volume: 200 of them take 170 MiB, which would show if they stayed in memory."""


def measure_memory(options: BenchOptions) -> list[Figure]:
    """Compares peaks of processes that train on 20 and on 200 volumes, and the estimate of a step.

    It reads the system's account of a process's memory, which only Linux keeps.
    """
    if not can_watch():
        return []
    small = options.settings.training.model_copy(
        update={"patch_size": (64, 64), "spatial_dims": 2, "steps_per_round": STEPS, "plan": None}
    ).resolve()
    with tempfile.TemporaryDirectory(prefix="fedgin-bench-") as name:
        few, many = (training_peak(Path(name) / str(n), small, volumes=n) for n in (FEW, MANY))
    need = memory_need(options.settings).training
    seen = in_a_process(_step_peak, options.settings)
    return [
        Figure(
            group=GROUP,
            name=f"peak of a process that trains on {MANY} cached volumes",
            ours=_mib(many),
            against=f"on {FEW}: {_mib(few)}",
            value=many / few,
            unit="x",
            mark=Mark(rule="at most", value=FLAT),
        ),
        Figure(
            group=GROUP,
            name="the doctor's estimate of a training step",
            ours=_mib(need),
            against=f"measured on the CPU: {_mib(seen)}",
            value=100 * abs(need - seen) / seen,
            unit="%",
            mark=Mark(rule="at most", value=EXACT),
        ),
    ]


def training_peak(folder: Path, settings: ResolvedSettings, *, volumes: int) -> int:
    """Returns the most bytes that a process held which trained and validated on cached volumes.

    Args:
        folder: For the cache.
        settings: Settings of the run; one round is trained, in which every volume is met.
        volumes: Number of volumes.
    """
    peak: int = in_a_process(_train, folder, settings, volumes)
    return peak


def in_a_process(function: Callable[..., Any], *arguments: object) -> Any:
    """Calls a function in a new process and returns what it returns.

    Raises:
        RuntimeError: The process failed.
    """
    context = multiprocessing.get_context("spawn")
    results: SimpleQueue[Any] = context.SimpleQueue()
    process = context.Process(target=_put, args=(results, function, arguments))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"the measuring process ended with exit code {process.exitcode}")
    return results.get()


def _put(
    results: SimpleQueue[Any], function: Callable[..., Any], arguments: tuple[object, ...]
) -> None:
    set_threads(1)
    results.put(function(*arguments))


def _train(folder: Path, settings: ResolvedSettings, volumes: int) -> int:
    cache = VolumeCache(CacheSettings(folder=str(folder / "cache")))
    cases = [_case(cache, number, settings.task.n_classes) for number in range(volumes)]
    trainer = Trainer(settings=settings, site="a", cases=cases, device=torch.device("cpu"))
    weights = get_weights(trainer.network)
    trainer.run_round(weights, state_folder=folder / "state", round_number=0, rounds=1)
    trainer.evaluate(weights, cases[:: max(1, volumes // FEW)])
    return peak_bytes()


def _case(cache: VolumeCache, number: int, n_classes: int) -> PreparedCase:
    label = np.zeros(SHAPE, np.uint8)
    for index in range(1, n_classes):
        label[8:24, 12 * index : 12 * index + 8, 20:60] = index
    noise = numpy_generator("bench memory", number).standard_normal(SHAPE, dtype=np.float32)
    arrays: dict[str, np.ndarray] = {
        "image": noise.astype(np.float16),
        "label": label,
        "foreground": sample_foreground(label, n_classes),
    }
    entry: CacheEntry = cache.store(f"{number:064x}", arrays=arrays, meta={})
    image, opened, foreground = (entry.array(name) for name in ("image", "label", "foreground"))
    return PreparedCase(
        name=str(number),
        patient=str(number),
        site="a",
        modality="CT",
        image=image,
        label=opened,
        foreground=foreground,
        spacing=(1.0, 1.0, 1.0),
    )


def _step_peak(settings: ResolvedSettings) -> int:
    """Returns what steps add to a process that took smaller ones, and loaded libraries, before."""
    edges = len(settings.geometry.patch_size)
    update = {"patch_size": (32,) * edges, "batch_size": 1, "plan": None}
    _probe(settings.training.model_copy(update=update).resolve())
    with peak_growth() as peak:
        _probe(settings.without_federation())
    return peak()


def can_watch() -> bool:
    """Tells whether the system keeps account of a process's memory as Linux does."""
    return Path("/proc/self/clear_refs").exists()


@contextmanager
def peak_growth() -> Iterator[Callable[[], int]]:
    """Watches how far this process's memory rises above what it is now.

    Yields:
        A function that returns the bytes between then and the peak so far.
    """
    ctypes.CDLL(None).malloc_trim(0)  # what was freed before is not held any more
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
    yield lambda: _status("VmHWM") - before


def _probe(settings: ResolvedSettings) -> None:
    case = noise_case(settings)
    trainer = Trainer(settings=settings, site="bench", cases=[case], device=torch.device("cpu"))
    probe_steps(trainer, repeats=1)


def peak_bytes() -> int:
    """Returns the most bytes that this process held so far, as the system saw it."""
    return _status("VmHWM")


def _status(key: str) -> int:
    """Reads a figure of this process's memory, in bytes."""
    lines = Path(f"/proc/{os.getpid()}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
