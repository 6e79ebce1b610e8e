"""Sites whose data set is DICOM as it unzips or as a hospital exports it, and their files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from chaos_tree import CT, MR, write_patients
from site_files import make_site, problems_of
from test_index import read, run
from typer.testing import CliRunner

from dicom_trees import oblique, write_series
from fedgin.cli import build_app
from fedgin.data.dicom.seg import write_seg
from fedgin.data.dicom.series import read_series
from fedgin.data.prepare import prepare_site
from fedgin.data.sources import list_cases, site_labels
from fedgin.errors import ConfigError
from fedgin.settings import make_settings
from fedgin.tasks import get_task

ABDOMEN = make_settings(task="abdomen", spacing=[None] * 3)


def test_a_site_trains_on_chaos_as_it_unzips(tmp_path: Path) -> None:
    root = write_patients(tmp_path / "chaos")
    dataset = {"kind": "adapter", "name": "chaos_mr", "root": str(root)}
    site = make_site(tmp_path, modality="MR", dataset=dataset, split={"by": "test"})
    prepared = prepare_site(site, ABDOMEN, partial=True, trains=False)
    assert [case.name for case in prepared.splits["test"]] == [
        "MR-1-T1-in",
        "MR-1-T1-out",
        "MR-1-T2",
    ]
    assert {case.patient for case in prepared.splits["test"]} == {"MR-1"}
    assert prepared.not_annotated == ("pancreas", "gallbladder")
    for case, labels in zip(prepared.splits["test"], (MR, MR, MR[::-1]), strict=True):
        # Classes of the task: 1 liver, 2 spleen, 3 right kidney, 4 left kidney.
        for grey, index in ((63, 1), (252, 2), (126, 3), (189, 4)):
            assert (case.label == index).sum() == (labels == grey).sum()


def test_index_writes_the_file_of_a_site_on_chaos(tmp_path: Path) -> None:
    root = write_patients(tmp_path / "chaos")
    shown = run("index", "chaos_ct", root, "--out", tmp_path / "h.yaml")
    assert "1 CT case of 1 patient" in shown
    site = read(tmp_path / "h.yaml")
    (case,) = list_cases(site, get_task("abdomen"))
    np.testing.assert_array_equal(case.load().label.array, CT)
    assert site_labels(site, get_task("abdomen")) == ({"liver": (1, 255)}, ())
    assert "kind: adapter" in (tmp_path / "h.yaml").read_text()


def test_index_writes_the_file_of_a_site_on_a_hospitals_export(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).choice([0, 1, 2], (12, 10, 5)).astype(np.uint8)
    image = np.random.default_rng(1).integers(-1000, 400, labels.shape).astype(np.int16)
    root = tmp_path / "export"
    for patient in ("anna", "bert"):
        write_series(root / patient / "ct", image, oblique(), patient=patient, series=patient)
        write_seg(
            root / patient / "seg.dcm",
            series=read_series(root / patient / "ct"),
            labels=labels,
            names={1: "Spleen", 2: "Kidney R"},
        )
    run("index", "dicom", root, "--out", tmp_path / "h.yaml")
    site = read(tmp_path / "h.yaml")
    names, _ = site_labels(site, get_task("abdomen"))
    assert names == {"kidney_right": 1, "spleen": 2}
    cases = list_cases(site, get_task("abdomen"))
    assert [case.patient for case in cases] == ["anna", "bert"]
    for case in cases:
        np.testing.assert_array_equal(case.load().label.array, np.array([0, 2, 1])[labels])


LABELS = np.random.default_rng(0).choice([0, 1, 2], (12, 10, 5)).astype(np.uint8)


def write_export(root: Path, names: dict[str, tuple[str, ...]]) -> Path:
    """A series and a SEG for each patient, whose segments are called as given."""
    for seed, (patient, segments) in enumerate(names.items()):
        image = np.random.default_rng(seed).integers(-1000, 400, LABELS.shape).astype(np.int16)
        folder = root / patient / "ct"
        write_series(folder, image, oblique(), patient=patient, series=patient)
        write_seg(
            root / patient / "seg.dcm",
            series=read_series(folder),
            labels=np.minimum(LABELS, len(segments)),
            names=dict(enumerate(segments, start=1)),
        )
    return root


def test_foreign_names_become_the_tasks_from_the_command_line(tmp_path: Path) -> None:
    names = {"anna": ("Leber", "Milz"), "bert": ("LEBER", "Milz"), "carl": ("Leber",)}
    root = write_export(tmp_path / "export", names)
    arguments = ("index", "dicom", root, "--task", "abdomen", "--out")
    one = ("--label", "liver=Leber")
    (problem,) = problems_of(lambda: run(*arguments, tmp_path / "a.yaml", *one), ConfigError)
    assert "LEBER (1 of 3), Milz (2 of 3), liver (2 of 3)" in problem.found
    assert "--label STRUCTURE=NAME" in problem.mend
    options = ("--label", "liver=Leber", "--label", "liver=LEBER")
    shown = run(*arguments, tmp_path / "b.yaml", *options)
    assert "Milz (2 of 3). Where patients lack one, `--may-lack STRUCTURE`" in shown
    assert "No structure of a task by their names: Milz. `--label STRUCTURE=NAME`" in shown
    more = (*options, "--label", "spleen=Milz", "--may-lack", "spleen")
    shown = run(*arguments, tmp_path / "c.yaml", *more)
    assert "No structure" not in shown
    site = read(tmp_path / "c.yaml")
    assert site_labels(site, get_task("abdomen")) == ({"liver": 1, "spleen": 2}, ())
    anna, bert, carl = list_cases(site, get_task("abdomen"))
    for case, expected in ((anna, LABELS), (bert, LABELS), (carl, LABELS > 0)):
        np.testing.assert_array_equal(case.load().label.array, expected)


def test_names_that_no_file_has_are_refused_with_the_nearest(tmp_path: Path) -> None:
    names = {"anna": ("Niere links", "Niere rechts"), "bert": ("Niere links", "Niere rechts")}
    root = write_export(tmp_path / "export", names)
    arguments = ("index", "dicom", root, "--out", tmp_path / "a.yaml")
    options = ("--label", "kidney_left=Nier links", "--may-lack", "kidney_rigt")
    name, lack = problems_of(lambda: run(*arguments, *options), ConfigError)
    assert name.found == "'Nier links' for 'kidney_left' (did you mean 'Niere links'?)"
    assert lack.found.startswith("'kidney_rigt' (")
    both = ("--label", "kidney_left=Niere links", "--label", "kidney_right=Niere links")
    (twice,) = problems_of(lambda: run(*arguments, *both), ConfigError)
    assert twice.rule == "a name stands for one structure"


def test_an_unreadable_series_is_excluded_and_the_others_are_used(tmp_path: Path) -> None:
    names = dict.fromkeys(("anna", "bert", "carl"), ("liver", "spleen"))
    root = write_export(tmp_path / "export", names)
    for number, path in enumerate(sorted((root / "bert" / "ct").iterdir())):
        if number:
            path.write_bytes(path.read_bytes()[:-40])
    out = tmp_path / "h.yaml"
    arguments = ["data", "index", "dicom", str(root), "--out", str(out)]
    result = CliRunner().invoke(build_app(), arguments, terminal_width=200)
    assert result.exit_code == 1
    assert "1 case could not be read" in result.output
    assert "2 CT cases of 2 patients" in result.output
    site = read(out)
    assert site.config.dataset.exclude == ("bert/ct",)  # type: ignore[union-attr]
    cases = list_cases(site, get_task("abdomen"))
    assert [case.patient for case in cases] == ["anna", "carl"]
    assert "unreadable: " in out.read_text()


@pytest.mark.parametrize("damaged", [b"", b"text", b"\0" * 128 + b"DICM" + b"\x7f" * 300])
def test_a_damaged_label_file_is_told_by_name_and_by_the_exit_code(
    tmp_path: Path, damaged: bytes
) -> None:
    names = dict.fromkeys(("anna", "bert", "carl"), ("liver", "spleen"))
    root = write_export(tmp_path / "export", names)
    (root / "bert" / "seg.dcm").write_bytes(damaged)
    out = tmp_path / "h.yaml"
    arguments = ["data", "index", "dicom", str(root), "--out", str(out)]
    result = CliRunner().invoke(build_app(), arguments, terminal_width=200)
    assert result.exit_code == 1
    assert re.search(r"left out: 1 x unreadable.*: bert/seg\.dcm", result.output), result.output
    assert "1 file could not be read, and the exit code is 1" in result.output
    assert "2 CT cases of 2 patients" in result.output


def test_a_listed_series_can_be_excluded_by_its_name(tmp_path: Path) -> None:
    root = write_export(tmp_path / "export", dict.fromkeys(("anna", "bert"), ("Leber", "Milz")))
    cases = [
        {"image": f"{name}/ct", "label": f"{name}/seg.dcm", "patient": name}
        for name in ("anna", "bert")
    ]
    segments = {"liver": "Leber", "spleen": "Milz"}
    dataset = {"kind": "dicom", "root": str(root), "labels_as": "seg", "segments": segments}
    site = make_site(tmp_path, dataset={**dataset, "cases": cases, "exclude": ["bert/ct"]})
    (case,) = list_cases(site, get_task("abdomen"))
    assert case.patient == "anna"
