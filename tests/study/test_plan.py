"""The plan: equal budgets, dependencies first, nothing twice."""

from __future__ import annotations

from fedgin.study.plan import ALL_AUGMENTATIONS, GRIDS, PlannedRun, plan_runs
from fedgin.study.regimes import REGIMES
from fedgin.study.rows import AUGMENTATIONS
from fedgin.study.rows import REGIMES as ROW_REGIMES

FOUR = {"ct-a": "CT", "ct-b": "CT", "mr-a": "MR", "mr-b": "MR"}


def plan(grid: str = "default", seeds: tuple[int, ...] = (0,)) -> list[PlannedRun]:
    return plan_runs(GRIDS[grid], modality_of=FOUR, seeds=seeds)


def test_default_grid_counts_models_by_regime() -> None:
    counts: dict[str, int] = {}
    for run in plan():
        counts[run.regime] = counts.get(run.regime, 0) + 1
    assert counts == {
        "local": 11 * 4,
        "centralized": 5,
        "federated": 5,
        "leave-one-site-out": 2 * 4,
        "leave-one-modality-out": 2 * 2,
        "fine-tuned": 2 * 4,
    }


def test_no_run_stands_twice_and_folders_differ() -> None:
    names = [run.identifier for run in plan("full", seeds=(0, 1))]
    assert len(names) == len(set(names))


def test_what_a_run_needs_stands_before_it() -> None:
    seen: set[str] = set()
    for run in plan("full", seeds=(0, 1)):
        assert run.needs is None or run.needs in seen
        seen.add(run.identifier)


def test_fine_tuning_alone_brings_its_federation_along() -> None:
    runs = plan_runs({"fine-tuned": ("gin",)}, modality_of=FOUR, seeds=[3])
    assert [run.regime for run in runs] == ["federated", *["fine-tuned"] * 4]
    assert {run.needs for run in runs[1:]} == {runs[0].identifier}
    assert {run.seed for run in runs} == {3}


def test_algorithm_belongs_to_regimes_that_federate() -> None:
    for run in plan_runs(GRIDS["default"], modality_of=FOUR, seeds=[0], algorithm="fedprox"):
        assert run.algorithm == ("fedprox" if run.regime in ("federated", "fine-tuned") else "")


def test_algorithms_have_folders_of_their_own() -> None:
    names = {
        plan_runs({"federated": ("gin",)}, modality_of=FOUR, seeds=[0], algorithm=name)[
            0
        ].identifier
        for name in ("fedavg", "fedprox", "fedbn", "scaffold")
    }
    assert len(names) == 4


def test_names_are_those_that_rows_know() -> None:
    assert set(ALL_AUGMENTATIONS) == set(AUGMENTATIONS)
    assert tuple(REGIMES) == ROW_REGIMES
    assert all(set(grid) <= set(REGIMES) for grid in GRIDS.values())
