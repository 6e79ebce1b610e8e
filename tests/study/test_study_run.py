"""A whole study on real phantoms: real training, the real simulator, the real report."""

from __future__ import annotations

import csv
import json
import math
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from small_study import SMALL, SmallStudy, run_study, write_site

import fedgin
from fedgin.package import package_hash, package_root
from fedgin.study.rows import HEADER

METRICS = ("dice", "hd95", "nsd")


def test_it_ends_well_and_says_so(small_study: SmallStudy) -> None:
    assert small_study.code == 0, small_study.output
    assert "10 of 10 runs" in small_study.output
    assert {run["status"] for run in small_study.record["runs"]} == {"done"}


def test_every_run_has_a_row_per_patient_class_and_metric(small_study: SmallStudy) -> None:
    # Two training sites with one test patient each, two patients far away, one in blank.
    patients = {"site-1": 1, "site-2": 1, "far": 2, "blank": 1}
    for run in small_study.record["runs"]:
        rows = [
            row
            for row in small_study.rows
            if (row.regime, row.augmentation, list(row.trained_on))
            == (run["regime"], run["augmentation"], run["train_sites"])
        ]
        assert Counter(row.test_site for row in rows) == {
            site: count * len(METRICS) for site, count in patients.items()
        }
        assert {row.metric for row in rows} == set(METRICS)


def test_csv_has_the_columns_that_readme_names(small_study: SmallStudy) -> None:
    with (small_study.folder / "results.csv").open(newline="") as file:
        assert tuple(next(csv.reader(file))) == HEADER


def test_a_site_without_the_class_is_not_annotated_and_never_zero(small_study: SmallStudy) -> None:
    rows = [row for row in small_study.rows if row.test_site == "blank"]
    assert rows
    assert all(row.status == "not annotated" and math.isnan(row.value) for row in rows)
    assert "not annotated" in (small_study.folder / "report.html").read_text()


def test_no_patient_identifier_is_written(small_study: SmallStudy) -> None:
    for row in small_study.rows:
        assert len(row.patient) == 12
        assert int(row.patient, 16) >= 0


def test_federated_rows_are_flares_cross_site_results(small_study: SmallStudy) -> None:
    for folder in sorted((small_study.folder / "runs").glob("federated_*")):
        final = json.loads((folder / "report.json").read_text())["final"]["last"]
        augmentation = folder.name.split("_")[1]
        for site in ("site-1", "site-2"):
            values = [
                row.value
                for row in small_study.rows
                if (row.regime, row.augmentation, row.test_site, row.metric)
                == ("federated", augmentation, site, "dice")
            ]
            assert np.mean(values) == pytest.approx(final[site]["test"]["dice"], abs=1e-9)


def test_steps_are_equal_but_for_the_number_of_sites(small_study: SmallStudy) -> None:
    steps = {run["regime"]: run["steps"] for run in small_study.record["runs"]}
    assert steps == {"local": 8, "federated": 16, "fine-tuned": 4}


def test_learning_curves_have_a_point_per_round(small_study: SmallStudy) -> None:
    for run in small_study.record["runs"]:
        rounds = 1 if run["regime"] == "fine-tuned" else 2
        assert len(run["loss"]) == rounds
        assert len(run["validation"]) == rounds + 1
        assert all(math.isfinite(loss) for loss in run["loss"])


def test_command_versions_and_sites_are_on_record(small_study: SmallStudy) -> None:
    record = small_study.record
    assert record["command"].startswith("fedgin study --out")
    assert record["commands"] == [record["command"]]
    assert record["notes"] == []
    assert {run["version"] for run in record["runs"]} == {fedgin.__version__}
    assert not {"augmentation", "algorithm", "seed"} & record["settings"].keys()
    assert {"fedgin", "torch", "monai", "nvflare"} <= set(record["versions"])
    assert [site["name"] for site in record["sites"]] == ["site-1", "site-2", "far", "blank"]
    assert record["sites"][3]["not_annotated"] == ["heart"]


def test_report_and_figures_are_there(small_study: SmallStudy) -> None:
    report = (small_study.folder / "report.html").read_text()
    assert "data:image/" in report
    assert "http://" not in report.replace("http://www.w3.org", "")
    assert list((small_study.folder / "figures").glob("*.png"))


def test_a_second_start_trains_nothing_and_changes_no_number(
    small_study: SmallStudy, study_sites: Path
) -> None:
    before = (small_study.folder / "results.csv").read_bytes()
    models = {
        file: file.stat().st_mtime_ns for file in small_study.folder.glob("runs/*/last_model.pt")
    }
    again = run_study(
        small_study.folder,
        (
            *("--task", "heart", "--sites", "site-1,site-2", "--unseen", "far,blank"),
            *("--regimes", "local,federated,fine-tuned", "--augmentations", "none,gin"),
            *SMALL,
        ),
        site_configs=study_sites,
    )
    assert again.code == 0, again.output
    assert again.output.count("done before") == 10
    assert (small_study.folder / "results.csv").read_bytes() == before
    assert {file: file.stat().st_mtime_ns for file in models} == models


def test_a_narrower_start_keeps_every_number_and_mends_what_broke(
    small_study: SmallStudy, study_sites: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(small_study.folder, folder)
    half = folder / "runs" / "local_none_seed0_site-1" / "last_model.pt"
    half.write_bytes(half.read_bytes()[:1000])
    with zipfile.ZipFile(folder / "runs" / "local_gin_seed0_site-1" / "last_model.pt", "w"):
        pass  # an archive, but no model
    again = run_study(
        folder,
        (
            *("--task", "heart", "--sites", "site-1,site-2", "--unseen", "far,blank"),
            *("--regimes", "local", "--augmentations", "none"),
            *SMALL,
        ),
        site_configs=study_sites,
    )
    assert again.code == 0, again.output
    assert "local_none_seed0_site-1: done in" in again.output
    assert "local_none_seed0_site-2: done before" in again.output
    assert "8 more runs that earlier starts made" in again.output
    assert "no example of MR" in again.output.replace("\n", " ")
    assert "Traceback" not in again.output
    before, after = small_study.record, again.record
    assert (folder / "results.csv").read_bytes() == (
        small_study.folder / "results.csv"
    ).read_bytes()
    assert [run["id"] for run in after["runs"]] == [run["id"] for run in before["runs"]]
    assert {run["status"] for run in after["runs"]} == {"done"}
    made = {run["id"]: run["command"] for run in after["runs"]}
    assert made["local_none_seed0_site-1"] == after["command"]
    assert made["local_none_seed0_site-2"] == before["command"]
    assert sorted(after["commands"]) == sorted({after["command"], before["command"]})
    assert after["codes"] == before["codes"] == [package_hash(package_root())]


@pytest.mark.slow
def test_a_study_of_one_modality_needs_no_site_of_the_other(tmp_path: Path) -> None:
    for number, protocol in enumerate(("arterial", "native")):
        write_site(tmp_path, f"ct-{number}", modality="CT", protocol=protocol, seed=number)
    write_site(tmp_path, "mr", modality="MR", protocol="bssfp", seed=5, cases=1)
    study = run_study(
        tmp_path / "out",
        (
            *("--task", "heart", "--sites", "ct-0,ct-1", "--unseen", "mr"),
            *("--regimes", "federated", "--augmentations", "none"),
            *SMALL,
        ),
        site_configs=tmp_path,
    )
    assert study.code == 0, study.output
    assert {run["status"] for run in study.record["runs"]} == {"done"}
