"""The study's tables against numbers that plain loops over the rows give."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from scipy.stats import wilcoxon
from synthetic_study import ABDOMEN, ALL, SITES, TRAINING, make_record, make_rows

from fedgin.errors import ConfigError
from fedgin.study.rows import Row
from fedgin.study.summary import summarize

SEEDS = (0, 1)
CLASSES = ("liver", "pancreas", "gallbladder")
GRID = {
    "local": ("none", "fourier-mix", "bezier", "gin", "gin-ipa"),
    "centralized": ("none", "gin"),
    "federated": ("none", "gin"),
}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Three classes, two seeds; one GIN model of ct-arterial has no rows: its run failed."""
    found = make_rows(classes=CLASSES, seeds=SEEDS, patients=3, grid=GRID)
    lost = ("local", "gin", 1, "ct-arterial")
    return [r for r in found if (r.regime, r.augmentation, r.seed, r.train_sites) != lost]


@pytest.fixture(scope="module")
def summary(rows: list[Row]) -> dict[str, Any]:
    return summarize(rows, make_record(rows, task="abdomen", failed=2))


def only(table: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    (entry,) = [e for e in table if all(e[key.rstrip("_")] == v for key, v in wanted.items())]
    return entry


def modality(train_sites: str) -> str:
    return "+".join(sorted({SITES[name][0] for name in train_sites.split("+")}))


def dice(rows: list[Row], keep: Callable[[Row], bool]) -> list[float]:
    return [r.value for r in rows if r.metric == "dice" and not math.isnan(r.value) and keep(r)]


def brute_patients(rows: list[Row], keep: Callable[[Row], bool]) -> dict[str, float]:
    """Patient -> mean over runs of the mean over classes."""
    found = {}
    for patient in {r.patient for r in rows}:
        runs = []
        for seed in SEEDS:
            for train_sites in {r.train_sites for r in rows}:
                values = dice(
                    rows,
                    lambda r, s=seed, t=train_sites, p=patient: (
                        (r.patient, r.seed, r.train_sites) == (p, s, t) and keep(r)
                    ),
                )
                if values:
                    runs.append(sum(values) / len(values))
        if runs:
            found[patient] = sum(runs) / len(runs)
    return found


def crossing(row: Row) -> bool:
    return (
        row.regime == "local"
        and row.role == "training"
        and modality(row.train_sites) != row.modality
    )


@pytest.mark.parametrize("class_name", ["mean", "gallbladder"])
def test_a_cell_of_the_matrix(rows: list[Row], summary: dict[str, Any], class_name: str) -> None:
    brute = brute_patients(
        rows,
        lambda r: (
            r.augmentation == "gin"
            and crossing(r)
            and r.modality == "MR"
            and class_name in ("mean", r.class_name)
        ),
    )
    entry = only(
        summary["matrix"],
        augmentation="gin",
        train_modality="CT",
        test_modality="MR",
        population="training sites, other modality",
        class_=class_name,
    )
    assert entry["n"] == len(brute) == 6
    assert entry["mean"] == pytest.approx(statistics.fmean(brute.values()), abs=1e-12)
    assert entry["low"] < entry["mean"] < entry["high"]
    # Two CT sites, two seeds, one run lost.
    assert entry["runs"] == 3


def test_own_site_and_other_site_of_one_modality_are_told_apart(
    rows: list[Row], summary: dict[str, Any]
) -> None:
    for population, own in (("own site", True), ("other training site, same modality", False)):
        brute = brute_patients(
            rows,
            lambda r, own=own: (
                (r.regime, r.augmentation, r.role) == ("local", "none", "training")
                and r.modality == "CT"
                and modality(r.train_sites) == "CT"
                and (r.train_sites == r.test_site) == own
            ),
        )
        entry = only(
            summary["matrix"],
            augmentation="none",
            train_modality="CT",
            test_modality="CT",
            population=population,
            class_="mean",
        )
        assert entry["mean"] == pytest.approx(statistics.fmean(brute.values()), abs=1e-12)
        assert entry["n"] == 6


def test_what_no_site_annotates_is_said_and_is_no_number(rows: list[Row]) -> None:
    blind = [
        replace(r, status="not annotated", value=math.nan)
        if r.modality == "MR" and r.class_name == "pancreas"
        else r
        for r in rows
    ]
    summary = summarize(blind, make_record(blind, task="abdomen"))
    entry = only(
        summary["matrix"],
        augmentation="none",
        train_modality="CT",
        test_modality="MR",
        population="training sites, other modality",
        class_="pancreas",
    )
    assert (entry["status"], entry["mean"], entry["n"]) == ("not annotated", None, 0)
    assert {"site": "mr-bssfp", "class": "pancreas"} in summary["not_annotated"]


def shared_runs(rows: list[Row], first: str, second: str) -> Callable[[Row], bool]:
    """Runs that both augmentations have."""
    runs = [
        {(r.regime, r.train_sites, r.seed) for r in rows if r.augmentation == name}
        for name in (first, second)
    ]
    both = runs[0] & runs[1]
    return lambda r: (r.regime, r.train_sites, r.seed) in both


def brute_pairs(rows: list[Row], name: str) -> tuple[list[float], list[float]]:
    both = shared_runs(rows, name, "gin")
    first, second = (
        brute_patients(rows, lambda r, a=a: r.augmentation == a and crossing(r) and both(r))
        for a in (name, "gin")
    )
    patients = sorted(first.keys() & second.keys())
    return [first[p] for p in patients], [second[p] for p in patients]


def test_the_gain_compares_the_same_runs_and_patients(
    rows: list[Row], summary: dict[str, Any]
) -> None:
    none, gin = brute_pairs(rows, "none")
    entry = only(
        summary["gains"],
        regime="local",
        population="training sites, other modality",
        modality="all",
        class_="mean",
    )
    assert entry["n"] == 12
    assert entry["first"] == pytest.approx(statistics.fmean(gin), abs=1e-12)
    assert entry["second"] == pytest.approx(statistics.fmean(none), abs=1e-12)
    assert entry["difference"] == pytest.approx(
        statistics.fmean(gin) - statistics.fmean(none), abs=1e-12
    )
    assert entry["low"] <= entry["difference"] <= entry["high"]


def test_rivals_are_tested_in_one_family_and_variants_in_another(
    rows: list[Row], summary: dict[str, Any]
) -> None:
    names = ("none", "fourier-mix", "bezier")
    p = {}
    for name in names:
        rival, gin = brute_pairs(rows, name)
        p[name] = wilcoxon(gin, rival).pvalue
    entries = {
        e["rival"]: e
        for e in summary["rivals"]
        if e["regime"] == "local" and e["population"] == "training sites, other modality"
    }
    assert set(entries) == {*names, "gin-ipa"}
    for name in names:
        assert entries[name]["p"] == pytest.approx(p[name])
        # The largest of Holm's products up to this one's place in the order.
        ranked = sorted(names, key=lambda n: p[n])
        products = [p[n] * (3 - place) for place, n in enumerate(ranked)]
        expected = min(1.0, max(products[: ranked.index(name) + 1]))
        assert entries[name]["p_holm"] == pytest.approx(expected)
        assert entries[name]["family"] == "rival"
    assert entries["gin-ipa"]["family"] == "variant"
    assert entries["gin-ipa"]["p_holm"] == entries["gin-ipa"]["p"]


@pytest.mark.parametrize("class_name", ["mean", "liver"])
def test_the_ratio_is_that_of_the_means(
    rows: list[Row], summary: dict[str, Any], class_name: str
) -> None:
    means = {
        regime: statistics.fmean(
            brute_patients(
                rows,
                lambda r, regime=regime: (
                    (r.regime, r.augmentation, r.role) == (regime, "gin", "training")
                    and r.modality == "CT"
                    and class_name in ("mean", r.class_name)
                ),
            ).values()
        )
        for regime in ("federated", "centralized")
    }
    entry = only(
        summary["ratios"],
        augmentation="gin",
        population="training sites",
        modality="CT",
        class_=class_name,
    )
    assert entry["ratio"] == pytest.approx(means["federated"] / means["centralized"], abs=1e-12)
    assert entry["low"] <= entry["ratio"] <= entry["high"]
    assert entry["seeds"] == 2


def test_missed_and_invented_structures_are_counted(
    rows: list[Row], summary: dict[str, Any]
) -> None:
    chosen = [r for r in rows if r.metric == "dice" and r.augmentation == "none" and crossing(r)]
    entry = only(
        summary["counts"],
        regime="local",
        augmentation="none",
        population="training sites, other modality",
    )
    for status in ("measured", "missed", "invented", "absent", "not annotated"):
        assert entry[status.replace(" ", "_")] == sum(r.status == status for r in chosen)
    assert entry["missed"] > 0
    assert entry["invented"] > 0
    assert entry["structures"] == len(chosen)


def test_a_missed_structure_weighs_on_the_mean() -> None:
    rows = make_rows(patients=2, grid={"local": ("gin",)})
    worst = [replace(r, value=400.0 if r.metric == "hd95" else 0.0, status="missed") for r in rows]
    half = [worst[i] if r.patient == rows[0].patient else r for i, r in enumerate(rows)]
    mean = {
        name: only(
            summarize(found, make_record(found))["means"],
            population="own site",
            metric="dice",
            modality="CT",
        )
        for name, found in (("all", rows), ("half", half))
    }
    assert mean["half"]["n"] == mean["all"]["n"]
    assert mean["half"]["mean"] < mean["all"]["mean"] - 0.1


def test_seeds_have_a_spread_only_where_there_are_several(
    rows: list[Row], summary: dict[str, Any]
) -> None:
    wanted = {"regime": "centralized", "augmentation": "gin", "population": "training sites"}
    entry = only(summary["per_seed"], **wanted)
    means = []
    for seed in SEEDS:
        kept = brute_patients(
            rows,
            lambda r, s=seed: (
                (r.regime, r.augmentation, r.role, r.seed) == ("centralized", "gin", "training", s)
            ),
        )
        means.append(statistics.fmean(kept.values()))
    assert list(entry["per_seed"].values()) == pytest.approx(means, abs=1e-12)
    assert entry["sd"] == pytest.approx(statistics.stdev(means), abs=1e-12)

    one = [r for r in rows if r.seed == 0]
    assert only(summarize(one, make_record(one))["per_seed"], **wanted)["sd"] is None


def test_a_single_patient_has_no_interval() -> None:
    rows = [
        r
        for r in make_rows(patients=1, grid={"centralized": ("none", "gin")})
        if r.test_site == TRAINING[0]
    ]
    summary = summarize(rows, make_record(rows))
    for entry in (*summary["gains"], *summary["means"], *summary["rivals"]):
        assert entry["n"] == 1
        assert entry["low"] is None
        assert entry["high"] is None


def test_failures_and_pending_runs_are_listed(rows: list[Row]) -> None:
    record = make_record(rows, failed=2)
    record["runs"][0]["status"] = "pending"
    summary = summarize(rows, record)
    assert [run["id"] for run in summary["failures"]] == ["failed-0", "failed-1"]
    assert summary["pending"] == [record["runs"][0]["id"]]


def test_nothing_measured_gives_empty_tables_and_no_verdict() -> None:
    rows = make_rows(grid={"local": ("none",)})
    summary = summarize([], make_record(rows))
    assert summary["matrix"] == summary["gains"] == summary["ratios"] == []
    assert {h["verdict"] for h in summary["hypotheses"]} == {"cannot be judged from this grid"}


def test_other_federated_algorithms_are_arms_of_their_own() -> None:
    rows = make_rows(grid={"federated": ("none", "gin"), "centralized": ("gin",)})
    prox = [replace(r, algorithm="fedprox") for r in rows if r.regime == "federated"]
    summary = summarize([*rows, *prox], make_record([*rows, *prox]))
    assert {e["arm"] for e in summary["ratios"]} == {"federated", "federated (fedprox)"}


def test_the_summary_is_json_without_nan() -> None:
    rows = make_rows(classes=ABDOMEN, patients=1, grid={"local": ("none", "gin")})
    json.dumps(summarize(rows, make_record(rows, task="abdomen")), allow_nan=False)


def test_rows_of_another_study_are_refused() -> None:
    rows = make_rows(grid={"federated": ("none",)})
    record = make_record(rows)
    record["sites"] = [site for site in record["sites"] if site["name"] != "mr-t1"]
    with pytest.raises(ConfigError, match="mr-t1"):
        summarize(rows, record)
    assert "mr-t1" in ALL
