"""Which benchmarks there are, and running them."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import torch
from pydantic import Field

import fedgin
from fedgin.bench.augmentations import measure_augmentations
from fedgin.bench.choices import measure_choices
from fedgin.bench.figures import Figure
from fedgin.bench.gin import measure_gin
from fedgin.bench.growth import measure_growth
from fedgin.bench.memory import measure_memory
from fedgin.bench.options import BenchOptions
from fedgin.bench.payload import measure_payload
from fedgin.bench.peer import measure_peer
from fedgin.bench.preparation import measure_preparation
from fedgin.bench.rounds import measure_round
from fedgin.bench.startup import measure_startup
from fedgin.bench.step import measure_parts
from fedgin.bench.surfaces import measure_surfaces
from fedgin.bench.validation import measure_validation
from fedgin.config import StrictModel, nearest
from fedgin.errors import ConfigError, FedginError, Problem

Measure = Callable[[BenchOptions], list[Figure]]

GROUPS: Mapping[str, Measure] = MappingProxyType(
    {
        "gin": measure_gin,
        "augmentations": measure_augmentations,
        "step": measure_parts,
        "choices": measure_choices,
        "preparation": measure_preparation,
        "startup": measure_startup,
        "rounds": measure_round,
        "payload": measure_payload,
        "peer": measure_peer,
        "memory": measure_memory,
        "growth": measure_growth,
        "validation": measure_validation,
        "surfaces": measure_surfaces,
    }
)


class BenchReport(StrictModel):
    """What `fedgin bench --json` writes.

    Attributes:
        version: Version of the package.
        torch: Version of torch.
        device: The device's name.
        threads: CPU threads.
        figures: The figures.
        seconds: How long each benchmark took.
        failures: What went wrong, by benchmark.
    """

    version: str
    torch: str
    device: str
    threads: int
    figures: tuple[Figure, ...]
    seconds: dict[str, float] = Field(default_factory=dict)
    failures: dict[str, str] = Field(default_factory=dict)


def chosen_groups(names: Sequence[str]) -> list[str]:
    """Returns the groups to run, all where none is named.

    Raises:
        ConfigError: A name is unknown.
    """
    mend = f"name some of {', '.join(GROUPS)}"
    problems = [
        Problem(
            "--only", "the name must be a benchmark's", f"'{one}' ({nearest(one, GROUPS)})", mend
        )
        for one in names
        if one not in GROUPS
    ]
    if problems:
        raise ConfigError(problems)
    return list(names) or list(GROUPS)


def run_benchmarks(
    options: BenchOptions, names: Sequence[str], *, on_group: Callable[[str], None]
) -> BenchReport:
    """Runs benchmarks one after another.

    Args:
        options: What they are told.
        names: Names of groups.
        on_group: Told the name of each before it begins.
    """
    figures: list[Figure] = []
    seconds: dict[str, float] = {}
    failures: dict[str, str] = {}
    for name in names:
        on_group(name)
        start = time.perf_counter()
        try:
            figures += GROUPS[name](options)
        except (FedginError, OSError, RuntimeError, ValueError) as error:
            failures[name] = str(error)  # the others are measured all the same
        seconds[name] = time.perf_counter() - start
    return BenchReport(
        version=fedgin.__version__,
        torch=torch.__version__,
        device=device_name(options.device),
        threads=torch.get_num_threads(),
        figures=tuple(figures),
        seconds=seconds,
        failures=failures,
    )


def device_name(device: torch.device) -> str:
    """Returns what a device is called."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {os.cpu_count()} cores"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
