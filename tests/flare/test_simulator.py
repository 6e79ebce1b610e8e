"""The federation runs end to end in FLARE's simulator; judged by what it leaves behind."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fedgin.networks import build_network
from fedgin.settings import read_settings

from .conftest import ROUNDS, SimulatedRun, simulate


def load_weights(file: Path) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = torch.load(file, weights_only=True)["model"]
    return weights


def test_every_site_contributes_to_every_round(two_threads: SimulatedRun) -> None:
    report = two_threads.report
    assert report["failures"] == []
    contributions = report["contributions"]
    assert list(contributions) == [str(number) for number in range(ROUNDS)]
    assert all(sorted(sites) == ["site-1", "site-2"] for sites in contributions.values())


def test_the_table_ends_the_run(two_threads: SimulatedRun) -> None:
    table = two_threads.output.rpartition("===")[0].rpartition("===")[2] + two_threads.output
    assert "federated heart, augmentation gin: complete" in table
    for text in ("site-1 CT", "site-2 MR", "best", "last", "tensorboard --logdir"):
        assert text in table
    assert two_threads.output.index("0 (initial)") < two_threads.output.index("Best model:")


def test_every_model_is_scored_on_both_sites_the_last_one_too(two_threads: SimulatedRun) -> None:
    report = two_threads.report
    assert sorted(report["validation"], key=int) == [str(n) for n in range(ROUNDS + 1)]
    for reports in (*report["validation"].values(), *report["final"].values()):
        assert set(reports) == {"site-1", "site-2"}
    assert set(report["final"]) == {"best", "last"}
    for reports in report["final"].values():
        assert [reports[site]["modality"] for site in ("site-1", "site-2")] == ["CT", "MR"]
        assert all(
            0 <= r["test"]["dice"] <= 1 and r["test"]["cases"] == 1 for r in reports.values()
        )


def test_the_best_model_is_the_one_with_the_best_balanced_score(two_threads: SimulatedRun) -> None:
    report = two_threads.report
    scores = {
        int(number): sum(r["validation"]["dice"] for r in reports.values()) / 2
        for number, reports in report["validation"].items()
    }
    best = report["best_round"]
    assert scores[best] == pytest.approx(max(scores.values()))
    chosen = load_weights(Path(report["files"]["Best model"]))
    last = load_weights(Path(report["files"]["Last model"]))
    is_last = all(torch.equal(chosen[name], last[name]) for name in last)
    assert is_last == (best == ROUNDS)


def test_the_models_load_into_the_job_s_network(two_threads: SimulatedRun, quick_job: Path) -> None:
    network = build_network(read_settings(quick_job / "app/config/training.json"))
    initial = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.load_state_dict(load_weights(two_threads.last_model))
    assert any(
        not torch.equal(tensor, initial[name]) for name, tensor in network.state_dict().items()
    )


def test_cross_site_results_are_flare_s_own(two_threads: SimulatedRun) -> None:
    results = json.loads(
        (two_threads.server / "cross_site_val" / "cross_val_results.json").read_text()
    )
    for site in ("site-1", "site-2"):
        ours = two_threads.report["final"]["last"][site]["test"]["dice"]
        assert results[site]["SRV_FL_global_model.pt"]["test"]["dice"] == ours


def test_tensorboard_shows_every_site_s_curves_and_pictures(two_threads: SimulatedRun) -> None:
    for site in ("site-1", "site-2"):
        events = EventAccumulator(str(two_threads.server / "tb_events" / site)).Reload()
        scalars = events.Tags()["scalars"]
        for tag in (
            "train/loss",
            "train/learning_rate",
            "validation/dice",
            "validation/dice_heart",
        ):
            assert tag in scalars
            assert [event.step for event in events.Scalars(tag)] == list(range(ROUNDS))
        assert "validation" in events.Tags()["images"]


def test_pictures_lie_in_the_site_s_own_folder_readable_by_it_alone(
    two_threads: SimulatedRun,
) -> None:
    for site in ("site-1", "site-2"):
        folder = two_threads.workspace / site / "simulate_job" / "pictures"
        assert len(list(folder.glob("*.png"))) == ROUNDS
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_one_thread_and_two_threads_give_the_same_model_bit_for_bit(
    one_thread: SimulatedRun, two_threads: SimulatedRun
) -> None:
    assert one_thread.report["failures"] == []
    first, second = load_weights(one_thread.last_model), load_weights(two_threads.last_model)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert one_thread.report["validation"] == two_threads.report["validation"]


def test_a_site_without_a_file_fails_the_run_in_words(
    quick_job: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    run = simulate(
        quick_job,
        tmp_path,
        site_configs=phantom_folder,
        arguments=["-c", "site-1,nowhere", "-t", "2"],
    )
    assert "FAILED" in run.output
    assert "no contribution from nowhere" in run.output
    assert "a site needs its own nowhere.yaml" in run.output
    assert str(phantom_folder) in run.output
    assert run.report["failures"]
