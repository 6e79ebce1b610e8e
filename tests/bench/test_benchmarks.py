"""Benchmarks as they are run: each yields figures, and the other way's results are the same."""

from __future__ import annotations

import pytest
import torch

from fedgin.bench import (
    growth,
    memory,
    payload,
    peer,
    preparation,
    rounds,
    runner,
    startup,
    surfaces,
)
from fedgin.bench.figures import Figure
from fedgin.bench.options import BenchOptions
from fedgin.bench.runner import GROUPS, run_benchmarks
from fedgin.settings import make_settings

TINY = {"task": "heart", "patch_size": [32, 32], "channels": [4, 8], "batch_size": 2}


def test_a_failed_benchmark_costs_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(options: BenchOptions) -> list[Figure]:
        raise ValueError("two ways differ")

    figure = Figure(group="good", name="n", ours="", value=1.0, unit="x")
    monkeypatch.setattr(runner, "GROUPS", {"bad": fail, "good": lambda options: [figure]})
    options = BenchOptions(settings=make_settings(**TINY), device=torch.device("cpu"))
    report = run_benchmarks(options, ["bad", "good"], on_group=lambda name: None)
    assert report.figures == (figure,)
    assert report.failures == {"bad": "two ways differ"}
    assert list(report.seconds) == ["bad", "good"]


@pytest.fixture
def little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests use the processors meanwhile: that figures come is tested, not what they are."""
    for module, name, value in (
        (startup, "REPEATS", 1),
        (startup, "ROUNDS", 2),
        (rounds, "WORK_SECONDS", 3.0),
        (preparation, "VOLUMES", 6),
        (growth, "SITES", (2, 4, 8)),
        (growth, "PARAMETERS", (500_000, 2_000_000, 4_000_000)),
        (memory, "MANY", 40),
        (memory, "STEPS", 20),
        (surfaces, "VOLUMES", 8),
        (payload, "ROUNDS", 2),
        (payload, "STEPS", 3),
        (peer, "STEPS", 20),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.mark.slow
@pytest.mark.usefixtures("little_work")
@pytest.mark.parametrize("name", GROUPS)
def test_every_benchmark_runs(name: str) -> None:
    # Where two ways of doing the same disagree, the benchmark itself refuses.
    options = BenchOptions(settings=make_settings(**TINY), device=torch.device("cpu"), repeats=3)
    told: list[str] = []
    report = run_benchmarks(options, [name], on_group=told.append)
    assert told == [name]
    assert report.failures == {}
    assert report.figures
    assert all(one.group == name and one.value > 0 for one in report.figures)
