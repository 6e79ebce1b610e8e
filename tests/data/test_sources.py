"""Where cases come from: lists, patterns, datalists and the phantom."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from site_files import PHANTOM, make_site, problems_of, save

from fedgin.data.hashing import FileHashes
from fedgin.data.phantom import phantom_case
from fedgin.data.sources import Case, FileCase, list_cases
from fedgin.errors import ConfigError, DataError, FedginError, Problem
from fedgin.tasks import get_task

HEART = get_task("heart")
LABELS = {"heart": 1}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def cases_of(root: Path, **dataset: Any) -> list[Case]:
    site = make_site(root.parent, dataset={"root": str(root), **dataset}, labels=LABELS)
    return list_cases(site, HEART)


def refused(
    root: Path, error: type[FedginError] = DataError, /, **dataset: Any
) -> tuple[Problem, ...]:
    return problems_of(lambda: cases_of(root, **dataset), error)


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


# ---------------------------------------------------------------- listed


def test_listed_pairs_keep_their_order_and_patients(root: Path) -> None:
    listed = [
        {"image": "b/b1.nii.gz", "label": "l/b1.nii.gz", "patient": "anna"},
        {"image": "a.NII", "label": "l/a.nii"},
    ]
    cases = cases_of(root, kind="pairs", cases=listed)
    assert cases == [
        FileCase("b1", "anna", root / "b/b1.nii.gz", root / "l/b1.nii.gz"),
        FileCase("a", "a", root / "a.NII", root / "l/a.nii"),
    ]


def test_a_case_that_stands_twice_is_refused(root: Path) -> None:
    listed = [{"image": f"{name}.nii", "label": "l.nii"} for name in ("a", "b", "a")]
    (problem,) = refused(root, kind="pairs", cases=listed)
    assert problem.where == str(root.parent / "hospital.yaml")
    assert problem.rule == "every case must stand once"
    assert problem.found == "more than once: a"
    assert "rename" in problem.mend


def test_cases_whose_file_names_repeat_go_by_their_folders(root: Path) -> None:
    listed = [{"image": f"s{n}/ct.nii.gz", "label": f"s{n}/organs.nii.gz"} for n in (1, 2)]
    cases = cases_of(root, kind="pairs", cases=listed)
    assert [(case.name, case.patient) for case in cases] == [("s1/ct", "s1/ct"), ("s2/ct", "s2/ct")]


def test_an_empty_data_set_is_refused(root: Path) -> None:
    (problem,) = refused(root, kind="pairs", cases=[])
    assert problem.where == str(root.parent / "hospital.yaml")
    assert problem.rule == "a site needs at least one case"
    assert problem.found == "none"
    assert problem.mend == "check 'dataset'"


@pytest.mark.parametrize(
    ("images", "there"),
    [
        ("im/*.nii", "data holds notes.txt, scans"),
        ("scans/*.mha", "data/scans holds a_0.nii, a_1.nii, a_2.nii, a_3.nii, a_4.nii, ..."),
        ("*/im.nii", "data holds notes.txt, scans"),
    ],
)
def test_where_no_file_fits_a_pattern_it_is_told_what_lies_there(
    root: Path, images: str, there: str
) -> None:
    (root / "scans").mkdir(parents=True)
    for number in range(6):
        (root / "scans" / f"a_{number}.nii").touch()
    (root / "notes.txt").touch()
    (problem,) = refused(root, kind="glob", images=images, labels="la/*.nii")
    assert problem.where == f"{root.parent / 'hospital.yaml'}: key 'dataset.images'"
    assert f"the pattern '{images}'" in problem.rule
    assert problem.found == f"none; {there}"


def test_a_missing_root_is_refused(root: Path) -> None:
    (problem,) = refused(root / "none", kind="glob", images="*.nii", labels="*.nii")
    assert problem.where.endswith("hospital.yaml: key 'dataset.root'")
    assert problem.rule == "the data root must be a folder"
    assert problem.found == f"'{root / 'none'}'"
    assert "mount the data" in problem.mend


@pytest.mark.parametrize(
    "dataset",
    [
        {"kind": "glob", "images": "*.nii", "labels": "*.nii"},
        {"kind": "adapter", "name": "msd"},
    ],
)
def test_a_relative_root_is_told_with_the_folder_it_was_looked_for_in(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    site = make_site(root.parent, dataset={"root": "below/data", **dataset}, labels={"liver": 1})
    (problem,) = problems_of(lambda: list_cases(site, get_task("abdomen")), DataError)
    assert problem.where.endswith("hospital.yaml: key 'dataset.root'")
    assert f"'{tmp_path / 'below/data'}' ('below/data' below the current folder)" in problem.found


# ---------------------------------------------------------------- patterns


@pytest.mark.parametrize("dots", ["", "./"])
def test_patterns_pair_files_by_what_the_star_stands_for(root: Path, dots: str) -> None:
    touch(root, "im/p2_0000.nii.gz", "im/p1_0000.nii.gz", "im/p3.nii.gz", "la/p1.nii.gz")
    cases = cases_of(
        root, kind="glob", images=f"{dots}im/*_0000.nii.gz", labels=f"{dots}la/*.nii.gz"
    )
    assert cases == [
        FileCase("p1", "p1", root / "im/p1_0000.nii.gz", root / "la/p1.nii.gz"),
        FileCase("p2", "p2", root / "im/p2_0000.nii.gz", root / "la/p2.nii.gz"),
    ]


def test_the_star_may_be_a_folder(root: Path) -> None:
    touch(root, "s1/ct.nii", "s2/ct.nii", "s2/mr.nii")
    cases = cases_of(root, kind="glob", images="*/ct.nii", labels="*/seg.nii")
    assert [case.name for case in cases] == ["s1", "s2"]
    assert cases[1] == FileCase("s2", "s2", root / "s2/ct.nii", root / "s2/seg.nii")


def test_the_patient_is_found_in_the_name(root: Path) -> None:
    touch(root, "anna_1.nii", "anna_2.nii", "bert_1.nii")
    cases = cases_of(root, kind="glob", images="*.nii", labels="seg/*.nii", patient="^([a-z]+)_")
    assert [case.patient for case in cases] == ["anna", "anna", "bert"]


@pytest.mark.parametrize("pattern", ["^([a-z]+)_", "^([a-z]+_)?", "([a-z]*)"])
def test_a_name_without_a_patient_is_refused(root: Path, pattern: str) -> None:
    touch(root, "77.nii")
    (problem,) = refused(root, kind="glob", images="*.nii", labels="seg/*.nii", patient=pattern)
    assert problem.where == str(root / "77.nii")
    assert pattern in problem.rule
    assert problem.found == "'77'"
    assert "correct the regular expression" in problem.mend


# ---------------------------------------------------------------- datalists


def entry(name: str, **more: str) -> dict[str, str]:
    return {"image": f"./im/{name}.nii.gz", "label": f"./la/{name}.nii.gz", **more}


def write_datalist(root: Path, **content: Any) -> dict[str, str]:
    (root / "dataset.json").write_text(json.dumps(content))
    return {"kind": "datalist", "file": "dataset.json"}


def test_training_cases_alone_leave_the_split_to_the_site(root: Path) -> None:
    dataset = write_datalist(
        root, name="x", training=[entry("a", patient="p"), entry("b")], test=["./im/c.nii.gz"]
    )
    assert cases_of(root, **dataset) == [
        FileCase("a", "p", root / "im/a.nii.gz", root / "la/a.nii.gz", None),
        FileCase("b", "b", root / "im/b.nii.gz", root / "la/b.nii.gz", None),
    ]


@pytest.mark.parametrize("key", ["validation", "test"])
def test_further_cases_with_labels_fix_the_split(root: Path, key: str) -> None:
    dataset = write_datalist(root, training=[entry("a")], **{key: [entry("b")]})
    assert [(case.name, case.fixed_split) for case in cases_of(root, **dataset)] == [
        ("a", "train"),
        ("b", key),
    ]


def test_test_images_without_labels_are_passed_over(root: Path) -> None:
    dataset = write_datalist(
        root, training=[entry("a")], validation=[entry("b")], test=["c.nii.gz", entry("d")]
    )
    names = [(case.name, case.fixed_split) for case in cases_of(root, **dataset)]
    assert names == [("a", "train"), ("b", "validation"), ("d", "test")]


def test_all_malformed_entries_are_listed(root: Path) -> None:
    dataset = write_datalist(
        root,
        training=["a.nii.gz", entry("b"), {"image": "c.nii.gz"}, {"image": ["d"], "label": "d"}],
        validation=[7],
        test=[{"label": "e"}, entry("f") | {"patient": 3}],
    )
    problems = refused(root, **dataset)
    path = root / "dataset.json"
    assert [problem.where for problem in problems] == [
        f"{path}: {place}"
        for place in (
            "training[0]",
            "training[2]",
            "training[3]",
            "validation[0]",
            "test[0]",
            "test[1]",
        )
    ]
    assert {problem.rule for problem in problems} == {
        "an entry must hold 'image' and 'label' as text"
    }
    assert problems[0].found == "'a.nii.gz'"
    assert problems[0].mend == "correct the entry"


@pytest.mark.parametrize("value", [None, 3, {"image": "a", "label": "b"}, "a.nii"])
@pytest.mark.parametrize("key", ["training", "validation", "test"])
def test_a_datalist_holds_lists(root: Path, key: str, value: object) -> None:
    dataset = write_datalist(root, **{"training": [entry("a")], key: value})
    (problem,) = refused(root, **dataset)
    assert problem.where == f"{root / 'dataset.json'}: key '{key}'"
    assert problem.rule == "the key must hold a list"
    assert problem.found == repr(value)


def test_a_missing_datalist_is_named(root: Path) -> None:
    (problem,) = refused(root, ConfigError, kind="datalist", file="none.json")
    assert problem.where == str(root / "none.json")
    assert problem.rule == "the file must exist"


# ---------------------------------------------------------------- phantom


def test_phantom_cases_are_patients_of_their_seed(tmp_path: Path) -> None:
    ct = list_cases(make_site(tmp_path, dataset={**PHANTOM, "seed": 5, "cases": 3}), HEART)
    mr = list_cases(
        make_site(tmp_path, modality="MR", dataset={**PHANTOM, "protocol": "bssfp", "seed": 5}),
        HEART,
    )
    assert [case.name for case in ct] == [f"ct-arterial-5-00{number}" for number in range(3)]
    assert len({case.patient for case in ct}) == 3
    assert mr[0].patient == ct[0].patient
    volume = ct[1].load()
    expected = phantom_case(task="heart", modality="CT", protocol="arterial", seed=5, index=1)
    np.testing.assert_array_equal(volume.image.array, expected.image.array)
    np.testing.assert_array_equal(volume.label.array, expected.label.array)


def test_a_protocol_of_the_other_modality_is_refused(tmp_path: Path) -> None:
    site = make_site(tmp_path, dataset={**PHANTOM, "protocol": "bssfp"})
    (problem,) = problems_of(lambda: list_cases(site, HEART), ConfigError)
    assert problem.where.endswith("hospital.yaml: key 'dataset.protocol'")
    assert "arterial" in problem.rule
    assert problem.found == "'bssfp'"
    assert "change the modality" in problem.mend


# ---------------------------------------------------------------- content


def file_case(root: Path) -> FileCase:
    image = save(root / "a.nii", np.zeros((4, 4, 4), np.int16))
    label = save(root / "b.nii", np.zeros((4, 4, 4), np.uint8))
    return FileCase("a", "a", image, label)


def test_the_content_of_either_file_changes_the_key(root: Path, tmp_path: Path) -> None:
    hashes = FileHashes(tmp_path / "hashes")
    case = file_case(root)
    keys = {case.content_key(hashes)}
    for path in (case.image, case.label):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        os.utime(path, ns=(1, len(keys)))  # a clock too coarse to show the change
        keys.add(case.content_key(hashes))
    assert len(keys) == 3


def test_a_copy_elsewhere_has_the_same_key(root: Path, tmp_path: Path) -> None:
    hashes = FileHashes(tmp_path / "hashes")
    assert file_case(root / "x").content_key(hashes) == file_case(root / "y").content_key(hashes)


def test_both_missing_files_are_named(root: Path, tmp_path: Path) -> None:
    case = FileCase("a", "a", root / "a.nii", root / "b.nii")
    problems = problems_of(lambda: case.content_key(FileHashes(tmp_path)), DataError)
    assert [problem.where for problem in problems] == [f"a: {root}/a.nii", f"a: {root}/b.nii"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_named(root: Path, tmp_path: Path) -> None:
    case = file_case(root)
    case.label.chmod(0)
    (problem,) = problems_of(lambda: case.content_key(FileHashes(tmp_path)), DataError)
    assert problem.where == f"a: {case.label}"
