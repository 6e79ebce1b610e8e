"""Patients' scores stay at the sites; the server gets counts, moments and histograms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fedgin.engine.history import read_history
from fedgin.engine.patient_scores import PatientScore, read_scores

from .conftest import ROUNDS, SimulatedRun

MODELS = {"best": "SRV_best_FL_global_model_pt", "last": "SRV_FL_global_model_pt"}
SITES = ("site-1", "site-2")


def scores_of(run: SimulatedRun, site: str, model: str) -> list[PatientScore]:
    folder = run.workspace / site / "simulate_job" / "test_scores"
    return read_scores(folder / f"{MODELS[model]}.csv")


@pytest.mark.parametrize("site", SITES)
def test_each_site_keeps_its_own_patients_and_no_others(
    two_threads: SimulatedRun, site: str
) -> None:
    for model in MODELS:
        scores = scores_of(two_threads, site, model)
        assert {row.site for row in scores} == {site}
        assert {row.score.metric for row in scores} == {"dice", "hd95", "nsd"}


@pytest.mark.parametrize("site", SITES)
def test_the_server_holds_the_moments_of_the_sites_scores(
    two_threads: SimulatedRun, site: str
) -> None:
    final = two_threads.report["final"]["last"][site]["test"]
    for metric, summary in final["summary"]["heart"].items():
        values = [
            row.score.value
            for row in scores_of(two_threads, site, "last")
            if row.score.metric == metric
        ]
        assert summary["count"] == len(values) == sum(summary["histogram"])
        assert summary["mean"] == pytest.approx(np.mean(values))
        assert set(summary) == {"count", "mean", "sd", "histogram"}


def test_no_patient_reaches_the_server(two_threads: SimulatedRun) -> None:
    hashes = {row.patient for site in SITES for row in scores_of(two_threads, site, "last")}
    assert hashes
    for file in two_threads.server.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not [name for name in hashes if name.encode() in content], file


def test_the_page_has_the_sites_and_leaves_paired_tests_out(two_threads: SimulatedRun) -> None:
    page = (two_threads.server / "report.html").read_text()
    assert all(site in page for site in SITES)
    assert "stay at the sites" in " ".join(page.split())
    assert "Wilcoxon" not in page


def test_each_site_keeps_its_losses_by_round(two_threads: SimulatedRun) -> None:
    for site in SITES:
        file: Path = two_threads.workspace / site / "simulate_job" / "history.json"
        history = read_history(file)
        assert list(history) == list(range(ROUNDS))
        assert all(values["loss"] is not None for values in history.values())


def test_flares_own_results_hold_what_the_report_shows(two_threads: SimulatedRun) -> None:
    file = two_threads.server / "cross_site_val" / "cross_val_results.json"
    results = json.loads(file.read_text())
    for site in SITES:
        told = results[site]["SRV_FL_global_model.pt"]["test"]["dice"]
        assert told == two_threads.report["final"]["last"][site]["test"]["dice"]
