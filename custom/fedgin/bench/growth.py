"""What aggregation costs the server as sites and parameters become more."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np

from fedgin.bench.figures import Curve, Figure, Mark, text_of
from fedgin.bench.memory import in_a_process, peak_growth
from fedgin.bench.options import BenchOptions
from fedgin.engine.aggregation import aggregate_updates, shortage
from fedgin.federation_settings import Aggregation, FederationSettings
from fedgin.flare.held_updates import HeldUpdates
from fedgin.seeding import numpy_generator

GROUP = "growth"
SITES = (2, 4, 8, 16)
PARAMETERS = (2_000_000, 20_000_000, 100_000_000)
FEWEST_SITES = 4
ARRAYS = 40
FLAT = 1.1
MIB = 2**20
STREAMED = "streamed from disk"

Costs = Mapping[int, tuple[float, int]]
"""Seconds and bytes of memory, by sites or by parameters."""

WAYS: Mapping[str, tuple[Aggregation, float]] = MappingProxyType(
    {
        STREAMED: ("mean", 0.0),
        "held in memory": ("mean", np.inf),
        "median, from disk": ("median", 0.0),
    }
)
"""By name the rule of aggregation, and the bytes that may wait in memory."""


def measure_growth(options: BenchOptions) -> list[Figure]:
    """Aggregates made-up updates of more and more sites, and of more and more parameters.

    Each is done by a process of its own, which takes updates as the server does: one after another,
    those above a bound to a file each.
    """
    by_sites = {
        way: {
            n: _cost(way, sites=n, parameters=PARAMETERS[0])
            for n in SITES
            if shortage(_rules(way), accepted=n) is None
        }
        for way in WAYS
    }
    by_size = {n: _cost(STREAMED, sites=FEWEST_SITES, parameters=n) for n in PARAMETERS}
    return [
        *(_growth_by_sites(way, costs) for way, costs in by_sites.items()),
        _growth_by_parameters(by_size),
    ]


def _growth_by_sites(way: str, costs: Costs) -> Figure:
    few, many = min(costs), max(costs)
    seconds, memory = _curves(way, "sites", costs)
    times = ", ".join(f"{n:.0f}: {text_of(time)}" for n, time in seconds.points)
    return Figure(
        group=GROUP,
        name=f"server memory, {many} sites against {few}: {way}",
        ours=f"{costs[many][1] / MIB:.0f} MiB",
        against=f"{few} sites: {costs[few][1] / MIB:.0f} MiB",
        value=costs[many][1] / costs[few][1],
        unit="x",
        mark=Mark(rule="at most", value=FLAT) if way == STREAMED else None,
        note=f"time by sites, {PARAMETERS[0] / 1e6:.0f} M parameters: {times}; "
        f"time grows as sites^{seconds.slope:.2f}",
        curves=(seconds, memory),
    )


def _growth_by_parameters(costs: Costs) -> Figure:
    seconds, memory = _curves(f"{STREAMED}, {FEWEST_SITES} sites", "parameters", costs)
    times = ", ".join(f"{n / 1e6:.0f} M: {text_of(time)}" for n, time in seconds.points)
    least, most = min(costs), max(costs)
    return Figure(
        group=GROUP,
        name=f"time of a round's aggregation, {most / 1e6:.0f} M parameters against "
        f"{least / 1e6:.0f} M",
        ours=text_of(costs[most][0]),
        against=f"{least / 1e6:.0f} M: {text_of(costs[least][0])}",
        value=costs[most][0] / costs[least][0],
        unit="x",
        note=f"{FEWEST_SITES} sites, {STREAMED}: {times}; time grows as "
        f"parameters^{seconds.slope:.2f}",
        curves=(seconds, memory),
    )


def _curves(name: str, work: Literal["sites", "parameters"], costs: Costs) -> tuple[Curve, Curve]:
    """Makes the curves of time and of memory."""
    times = tuple((float(n), seconds) for n, (seconds, _) in costs.items())
    sizes = tuple((float(n), size / MIB) for n, (_, size) in costs.items())
    return (
        Curve(name=name, work=work, cost="seconds", points=times),
        Curve(name=name, work=work, cost="MiB", points=sizes),
    )


def _cost(way: str, *, sites: int, parameters: int) -> tuple[float, int]:
    """Returns seconds and bytes of memory that a round's aggregation takes."""
    cost: tuple[float, int] = in_a_process(_aggregate, way, sites, parameters)
    return cost


def _aggregate(way: str, sites: int, parameters: int) -> tuple[float, int]:
    rules, (_, limit) = _rules(way), WAYS[way]
    seconds = 0.0
    with tempfile.TemporaryDirectory(prefix="fedgin-bench-") as name, peak_growth() as peak:
        held = HeldUpdates(limit)
        updates = {}
        for number in range(sites):
            update = _update(number, parameters)
            start = time.perf_counter()
            updates[f"site-{number:02d}"], _ = held.keep(update, Path(name))
            seconds += time.perf_counter() - start
            del update
        start = time.perf_counter()
        aggregate_updates(updates, rules=rules, weights=dict.fromkeys(updates, 1.0))
        seconds += time.perf_counter() - start
    return seconds, peak()


def _rules(way: str) -> FederationSettings:
    return FederationSettings(aggregation=WAYS[way][0])


def _update(number: int, parameters: int) -> dict[str, np.ndarray]:
    generator = numpy_generator("bench growth", number)
    return {
        f"array {index}": generator.standard_normal(parameters // ARRAYS, dtype=np.float32)
        for index in range(ARRAYS)
    }
