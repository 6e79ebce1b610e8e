"""`fedgin data index`: a site's file that can be used as it stands."""

from __future__ import annotations

import json
import math
import re
import shutil
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from miniature_trees import (
    SHAPE,
    SPACING,
    TREES,
    amos22,
    draw,
    folder,
    mmwhs,
    nnunet,
    pair,
    save,
    totalsegmentator_ct,
)
from site_files import problems_of
from typer.testing import CliRunner

from fedgin.cli import build_app
from fedgin.config import parse, read_mapping
from fedgin.data.adapters.registry import all_adapters
from fedgin.data.index.counts import count_structures
from fedgin.data.prepare import prepare_site
from fedgin.data.sources import PhantomScan, list_cases
from fedgin.errors import ConfigError, DataError, FedginError
from fedgin.settings import make_settings
from fedgin.sites.data_sets import MaskData
from fedgin.sites.lookup import Site
from fedgin.sites.schema import ListedData, SiteConfig
from fedgin.sites.splits import FractionSplit, PatientSplit
from fedgin.tasks import get_task
from real_data import real_data_folder

REAL = real_data_folder()


def run(*arguments: object) -> str:
    """What a command prints; its refusal is raised."""
    result = CliRunner().invoke(build_app(), ["data", *map(str, arguments)], terminal_width=200)
    if isinstance(result.exception, FedginError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def read(file: Path) -> Site:
    config = parse(SiteConfig, read_mapping(file), where=str(file))
    return Site(name=file.stem, path=file, config=config)


def test_every_data_set_is_listed() -> None:
    shown = run("list")
    assert all(adapter.name in shown for adapter in all_adapters())


@pytest.mark.parametrize("name", TREES)
def test_an_indexed_data_set_is_prepared_as_it_stands(tmp_path: Path, name: str) -> None:
    root = TREES[name](tmp_path / "set")
    out = tmp_path / "ours.yaml"
    modality = {"nnunet": "MR", "totalsegmentator_mr": "MR"}.get(name, "CT")
    run("index", name, root, "--out", out, "--modality", modality)
    site = read(out)
    assert site.config.modality == modality
    task = {"mmwhs": "heart"}.get(name, "abdomen")
    settings = make_settings(task=task, spacing=[8.0, 8.0, None])
    prepared = prepare_site(site, settings, partial=name == "msd")
    assert prepared.without_foreground == ()
    assert sum(map(len, prepared.splits.values())) == len(site.config.dataset.cases)  # type: ignore[union-attr]


def test_own_splits_are_written_as_patients(tmp_path: Path) -> None:
    out = tmp_path / "ct.yaml"
    run("index", "amos22", amos22(tmp_path / "amos"), "--out", out, "--modality", "ct")
    assert read(out).config.split == PatientSplit(
        by="patient", train=("amos_0001", "amos_0002"), validation=("amos_0003",)
    )
    run(
        "index",
        "mmwhs",
        mmwhs(tmp_path / "mmwhs"),
        "--out",
        tmp_path / "h.yaml",
        "--modality",
        "MR",
    )
    assert read(tmp_path / "h.yaml").config.split == FractionSplit()


def test_scans_of_one_patient_stay_together(tmp_path: Path) -> None:
    root = tmp_path / "plain"
    for name in ("anna_visit1", "anna_visit2", "bert_visit1", "carl_visit1"):
        files = [root / kind / f"{name}.nii.gz" for kind in ("images", "labels")]
        pair(*files, [1], modality="MR")
    out = tmp_path / "mr.yaml"
    arguments = ("index", "folder", root, "--out", out, "--modality", "MR", "--label", "liver=1")
    shown = run(*arguments, "--patient", r"(.+)_visit\d")
    assert "4 MR cases of 3 patients" in shown
    dataset = read(out).config.dataset
    assert isinstance(dataset, ListedData)
    assert [case.patient for case in dataset.cases] == ["anna", "anna", "bert", "carl"]
    for pattern, rule in (
        (r"(bert)", "every case's name must show its patient"),
        ("(", "must compile"),
        ("a", "one group"),
    ):
        (problem,) = problems_of(
            lambda pattern=pattern: run(*arguments, "--force", "--patient", pattern),  # type: ignore[misc]
            ConfigError,
        )
        assert problem.where == "--patient"
        assert rule in problem.rule


def test_masks_are_those_of_the_tasks(tmp_path: Path) -> None:
    root = totalsegmentator_ct(tmp_path / "ts")
    names = {"heart": ("heart",), "abdomen": get_task("abdomen").class_names}
    for task, structures in names.items():
        run(
            "index",
            "totalsegmentator_ct",
            root,
            "--out",
            tmp_path / "s.yaml",
            "--task",
            task,
            "--force",
        )
        dataset = read(tmp_path / "s.yaml").config.dataset
        assert isinstance(dataset, MaskData)
        assert dataset.structures == structures
    run("index", "totalsegmentator_ct", root, "--out", tmp_path / "s.yaml", "--force")
    dataset = read(tmp_path / "s.yaml").config.dataset
    assert isinstance(dataset, MaskData)
    assert set(dataset.structures) == {*names["heart"], *names["abdomen"]}


def test_counts_are_those_of_the_voxels(tmp_path: Path) -> None:
    root = tmp_path / "plain"
    _, label = draw(range(1, 7), modality="CT")
    for number in range(3):
        files = [root / kind / f"c{number}.nii.gz" for kind in ("images", "labels")]
        pair(*files, range(1, 7), modality="CT", seed=number)
    without = np.where(label == 2, 0, label).astype(np.uint8)
    save(root / "labels" / "c1.nii.gz", without)
    options = [f"--label=organ{value}={value}" for value in range(1, 7)]
    out = tmp_path / "ours.yaml"
    shown = run("index", "folder", root, "--out", out, "--modality", "CT", "--workers", 2, *options)
    millilitre = math.prod(SPACING) / 1000
    for value in range(1, 7):
        mean = np.count_nonzero(label == value) * millilitre
        cases = 2 if value == 2 else 3
        total = f"{cases * mean:.1f}"
        assert re.search(rf"organ{value} +│ {cases} +│ {total} +│ {mean:.1f} ", shown)
        assert re.search(rf"# organ{value} +{cases} +{total} +{mean:.1f}\n", out.read_text())


@pytest.mark.parametrize(
    ("empty", "said"),
    [
        (1, "1 case holds none of them: case_000\n"),
        (2, "2 cases hold none of them: case_000, case_001\n"),
        (6, "6 cases hold none of them: case_000, case_001, case_002, case_003, case_004, ...\n"),
    ],
)
def test_cases_without_a_structure_are_named_and_counted(
    tmp_path: Path, empty: int, said: str
) -> None:
    root = nnunet(tmp_path, cases=7)
    for number in range(empty):
        file = root / "labelsTr" / f"case_{number:03d}.nii.gz"
        save(file, np.zeros_like(draw([1], modality="MR")[1]))
    assert said in run("index", "nnunet", root, "--out", tmp_path / "ours.yaml", "--workers", 1)


def test_counts_of_masks_are_those_of_the_voxels(tmp_path: Path) -> None:
    root = totalsegmentator_ct(tmp_path / "ts")
    save(root / "s0000" / "segmentations" / "liver.nii.gz", np.zeros(SHAPE, np.uint8))
    shown = run("index", "totalsegmentator_ct", root, "--out", tmp_path / "s.yaml")
    assert re.search(r"liver +│ 4 ", shown)
    assert re.search(r"spleen +│ 5 ", shown)


def test_cases_of_any_other_form_are_counted_by_loading_them() -> None:
    case = PhantomScan("p", "heart", "CT", "native", seed=3, index=0)
    label = case.load().label
    counts = count_structures([case], {"heart": (1, 2), "none": 9}, workers=1)
    heart, none = counts.structures
    voxels = np.isin(label.array, (1, 2)).sum()
    assert (heart.cases, none.cases, none.millilitres) == (1, 0, 0)
    assert heart.millilitres == pytest.approx(voxels * math.prod(label.spacing) / 1000)
    others = set(np.unique(label.array)) - {0, 1, 2}
    assert set(counts.unnamed) == others
    assert counts.empty == ()


def test_counting_can_be_left_out(tmp_path: Path) -> None:
    root = folder(tmp_path / "plain")
    (root / "labels" / "case0.nii.gz").write_bytes(b"damaged")
    arguments = ("index", "folder", root, "--modality", "CT", "--out", tmp_path / "ours.yaml")
    assert "structure" not in run(*arguments, "--no-counts")
    assert len(list_cases(read(tmp_path / "ours.yaml"), get_task("abdomen"))) == 3


def test_values_without_a_name_are_refused_named_or_made_background(tmp_path: Path) -> None:
    root = folder(tmp_path / "plain")
    (root / "dataset.json").unlink()
    arguments = ("index", "folder", root, "--modality", "CT", "--out", tmp_path / "ours.yaml")
    (problem,) = problems_of(lambda: run(*arguments), ConfigError)
    cases = "3 cases: case0, case1, case2"
    assert problem.found == ", ".join(f"{value} ({cases})" for value in range(1, 7))
    named = ("--label", "liver=1", "--label", "kidneys=3,4")
    (problem,) = problems_of(lambda: run(*arguments, *named, "--other", "2"), ConfigError)
    assert problem.found == f"5 ({cases}), 6 ({cases})"
    run(*arguments, *named, "--other", "rest")
    config = read(tmp_path / "ours.yaml").config
    assert config.labels == {"liver": 1, "kidneys": (3, 4)}
    assert config.other_labels == (2, 5, 6)


def test_masks_are_named_by_their_files_alone(tmp_path: Path) -> None:
    root = totalsegmentator_ct(tmp_path / "ts", subjects=3)
    arguments = ("index", "totalsegmentator_ct", root, "--out", tmp_path / "s.yaml")
    for option, found in (
        (("--label", "liver=5"), "'5' for 'liver'"),
        (("--label", "spleen=liver", "--label", "liver=liver"), "'liver=liver'"),
        (("--other", "rest"), "form 'masks'"),
        (("--may-lack", "liver"), "liver"),
    ):
        (problem,) = problems_of(lambda option=option: run(*arguments, *option), ConfigError)  # type: ignore[misc]
        assert problem.found.startswith(found)


def test_masks_with_foreign_names_are_what_the_user_says(tmp_path: Path) -> None:
    root = totalsegmentator_ct(tmp_path / "ts", subjects=3)
    plain = tmp_path / "plain.yaml"
    run("index", "totalsegmentator_ct", root, "--out", plain, "--task", "abdomen")
    expected = [case.load().label.array for case in list_cases(read(plain), get_task("abdomen"))]
    for path in root.glob("*/segmentations/liver.nii.gz"):
        path.rename(path.with_name("Leber.nii.gz"))
    arguments = ("index", "totalsegmentator_ct", root, "--task", "abdomen", "--out")
    shown = run(*arguments, tmp_path / "s.yaml")
    assert "Task abdomen: no label of liver." in shown
    assert "leber" in shown
    assert "--label STRUCTURE=NAME" in shown
    shown = run(*arguments, tmp_path / "t.yaml", "--label", "liver=Leber")
    assert "no label of" not in shown
    assert re.search(r"liver +│ 3 ", shown)
    site = read(tmp_path / "t.yaml")
    assert site.config.labels is not None
    assert site.config.labels["liver"] == 1
    found = [case.load().label.array for case in list_cases(site, get_task("abdomen"))]
    np.testing.assert_array_equal(found, expected)
    prepare_site(site, make_settings(task="abdomen", spacing=[8.0, 8.0, None]))


def test_unreadable_cases_are_left_out_with_their_reason(tmp_path: Path) -> None:
    root, out = folder(tmp_path / "plain"), tmp_path / "ours.yaml"
    (root / "labels" / "case0.nii.gz").write_bytes(b"damaged")
    arguments = ["data", "index", "folder", str(root), "--modality", "CT", "--out", str(out)]
    result = CliRunner().invoke(build_app(), arguments, terminal_width=200)
    assert result.exit_code == 1
    assert "could not be read, and left out: 1 x unreadable: " in result.output
    assert "1 case could not be read: the file was written without" in result.output
    assert "2 CT cases of 2 patients" in result.output
    assert "cases of 2" in result.output
    assert "# Could not be read, and left out (1):" in out.read_text()
    assert [case.name for case in list_cases(read(out), get_task("abdomen"))] == ["case1", "case2"]
    for path in root.glob("labels/*"):
        path.write_bytes(b"damaged")
    out.unlink()
    problems = problems_of(lambda: run(*arguments[1:]), DataError)
    assert len(problems) == 3
    assert not out.exists()


def test_a_pattern_that_finds_one_patient_is_warned_of(tmp_path: Path) -> None:
    root = tmp_path / "plain"
    for number in range(3):
        files = [root / kind / f"pat{number}.nii.gz" for kind in ("images", "labels")]
        pair(*files, [1], modality="CT", seed=number)
    arguments = ("index", "folder", root, "--modality", "CT", "--label", "liver=1", "--out")
    warning = "Warning: with 1 patient there will be no validation or test patients"
    shown = run(*arguments, tmp_path / "one.yaml", "--patient", "(pat)")
    assert f"{warning}. All 3 cases are one patient's: check `--patient`" in shown
    assert "Warning" not in run(*arguments, tmp_path / "three.yaml")


def test_a_structure_that_never_occurs_is_told(tmp_path: Path) -> None:
    root = folder(tmp_path / "plain")
    (root / "dataset.json").unlink()
    options = ("--modality", "CT", "--label", "liver=99", "--other", "rest")
    shown = run("index", "folder", root, "--out", tmp_path / "o.yaml", *options)
    assert "Never occurs in any case: liver." in shown


def test_the_ignore_label_of_nnunet_is_called_so(tmp_path: Path) -> None:
    root = nnunet(tmp_path / "raw")
    content = read_mapping(root / "dataset.json")
    content["labels"]["ignore"] = 9
    (root / "dataset.json").write_text(json.dumps(content))
    path = sorted(root.glob("labelsTr/*.nii.gz"))[0]
    label = np.asarray(nib.load(path).dataobj).astype(np.uint8)
    label[0, 0, 0] = 9
    save(path, label)
    arguments = ("index", "nnunet", root, "--out", tmp_path / "ours.yaml")
    (problem,) = problems_of(lambda: run(*arguments), ConfigError)
    assert "9 is the data set's ignore label" in problem.rule
    assert problem.found == f"9 (1 cases: {path.name.removesuffix('.nii.gz')})"
    assert "--other 9" in problem.mend
    run(*arguments, "--other", "9")
    assert read(tmp_path / "ours.yaml").config.other_labels == (9,)


def test_both_modalities_and_none_chosen_is_an_error_with_both_counts(tmp_path: Path) -> None:
    root = amos22(tmp_path / "amos", ct=5)
    arguments = ("index", "amos22", root, "--out", tmp_path / "ours.yaml")
    (problem,) = problems_of(lambda: run(*arguments), ConfigError)
    assert problem.found == "cases: 4 CT, 3 MR"
    assert "--modality" in problem.mend
    (problem,) = problems_of(lambda: run(*arguments, "--modality", "PET"), ConfigError)
    assert problem.where == "--modality"


def test_what_was_left_out_is_told_and_written(tmp_path: Path) -> None:
    root = amos22(tmp_path / "amos")
    (root / "labelsTr" / "amos_0001.nii.gz").unlink()
    evil = root / "imagesTr" / "x\nmodality: MR.nii.gz"
    evil.touch()
    out = tmp_path / "ours.yaml"
    shown = run("index", "amos22", root, "--out", out, "--modality", "CT")
    assert "1 x an image without a label file: imagesTr/amos_0001.nii.gz" in shown
    assert "2 x a test image, whose label is not public" in shown
    text = out.read_text()
    assert "# Left out (4):" in text
    assert "imagesTr/amos_0001.nii.gz" in text
    assert "x\\u000amodality: MR.nii.gz" in text
    assert read(out).config.modality == "CT"


def test_a_file_is_not_overwritten_and_the_data_set_not_written_into(tmp_path: Path) -> None:
    root = folder(tmp_path / "plain")
    arguments = ("index", "folder", root, "--modality", "CT", "--out")
    out = tmp_path / "ours.yaml"
    run(*arguments, out)
    for place, found in (
        (out, "one that is there already"),
        (root / "ours.yaml", "a place below its root"),
        (tmp_path / "none" / "ours.yaml", "no such folder"),
        (tmp_path / "ours.yml", "ours.yml"),
    ):
        (problem,) = problems_of(lambda place=place: run(*arguments, place), ConfigError)  # type: ignore[misc]
        assert problem.found == found
    run(*arguments, out, "--force")


@pytest.mark.parametrize(
    "stem", ["a, b", "no", "{x}", "#1", "- a", "ä b", "'q'", '"d"', "1", "a: b", "*x", "&y"]
)
def test_names_of_all_kinds_survive_the_file(tmp_path: Path, stem: str) -> None:
    root = tmp_path / "plain"
    source = folder(tmp_path / "source", cases=1)
    for kind in ("images", "labels"):
        (root / kind).mkdir(parents=True)
        shutil.copy(source / kind / "case0.nii.gz", root / kind / f"{stem}.nii.gz")
    out = tmp_path / "ours.yaml"
    run(
        "index",
        "folder",
        root,
        "--out",
        out,
        "--modality",
        "CT",
        "--label",
        "x=1",
        "--other",
        "rest",
    )
    site = read(out)
    assert isinstance(site.config.dataset, ListedData)
    assert site.config.dataset.cases[0].patient == stem
    assert list_cases(site, get_task("abdomen"))[0].load().label.array.any()


def test_two_thousand_cases_fit_into_a_sites_file(tmp_path: Path) -> None:
    root = tmp_path / "many"
    for number in range(2000):
        stem = f"hospital-{number // 100:02d}_patient-{number:04d}_portal-venous"
        for kind in ("images", "labels"):
            (root / kind).mkdir(parents=True, exist_ok=True)
            (root / kind / f"{stem}.nii.gz").touch()
    out = tmp_path / "ours.yaml"
    options = ("--modality", "CT", "--no-counts", "--label", "liver=1")
    run("index", "folder", root, "--out", out, *options)
    assert len(list_cases(read(out), get_task("abdomen"))) == 2000


@pytest.mark.skipif(REAL is None, reason="no real volumes here")
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_real_volumes_are_indexed_and_prepared(tmp_path: Path, modality: str) -> None:
    assert REAL is not None
    root = tmp_path / "real"
    root.mkdir()
    stem = f"{modality.lower()}_abdomen_sm"
    for end in ("image", "label"):
        shutil.copy(REAL / f"{stem}_{end}.nii.gz", root)
    values = {"liver": 5, "spleen": 1, "kidney_right": 2, "kidney_left": 3}
    values |= {"pancreas": 7, "gallbladder": 4}
    options = [f"--label={name}={value}" for name, value in values.items()]
    out = tmp_path / "ours.yaml"
    shown = run("index", "folder", root, "--out", out, *options, "--other", "rest")
    # README of the volumes: 38634 voxels of 27 mm3, or 18480.
    liver = {"CT": 38634, "MR": 18480}[modality] * 0.027
    assert re.search(rf"liver +│ 1 +│ {liver:.1f}", shown)
    site = read(out)
    assert site.config.modality == modality
    prepared = prepare_site(site, make_settings(task="abdomen"), trains=False)
    (case,) = [case for cases in prepared.splits.values() for case in cases]
    assert set(np.unique(case.label)) == set(range(7))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["totalsegmentator_ct", "folder"])
def test_a_thousand_cases_are_indexed_in_a_minute(tmp_path: Path, name: str) -> None:
    root = tmp_path / "set"
    if name == "folder":
        source = folder(tmp_path / "one", cases=1)
        for number in range(1000):
            for kind in ("images", "labels"):
                (root / kind).mkdir(parents=True, exist_ok=True)
                shutil.copy(source / kind / "case0.nii.gz", root / kind / f"case{number}.nii.gz")
        shutil.copy(source / "dataset.json", root)
    else:
        source = totalsegmentator_ct(tmp_path / "one", subjects=3)
        for number in range(1000):
            shutil.copytree(source / "s0000", root / f"s{number:04d}")
    start = time.perf_counter()
    shown = run("index", name, root, "--out", tmp_path / "ct.yaml", "--modality", "CT")
    seconds = time.perf_counter() - start
    assert "1000 CT cases" in shown
    assert seconds < 60
