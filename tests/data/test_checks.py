"""Checking pairs and splits: every problem is found, and named with its mend."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fedgin.data.checks import (
    check_pair,
    check_split,
    collect_problems,
    count_values,
    foreground_count,
    read_pair,
    summarise_pair,
)
from fedgin.data.volume import LabelledVolume, Volume
from fedgin.errors import DataError, Problem

SHAPE = (12, 10, 8)
KNOWN = {0: "background", 1: "heart", 2: "aorta"}


def make_pair(
    *,
    low: float = -1000,
    high: float = 300,
    affine: np.ndarray | None = None,
    label_shape: tuple[int, ...] = SHAPE,
) -> LabelledVolume:
    grid = np.diag([1.5, 1.5, 3.0, 1.0])
    image = np.linspace(low, high, int(np.prod(SHAPE)), dtype=np.float32).reshape(SHAPE)
    label = np.zeros(label_shape, dtype=np.uint8)
    label[2:4, 2:4, 2:4] = 1
    label[5, 5, 5] = 2
    return LabelledVolume(
        image=Volume(image, grid), label=Volume(label, grid if affine is None else affine)
    )


def problems_of(pair: LabelledVolume, *, modality: str = "CT") -> list[Problem]:
    return check_pair("case_7", pair, modality=modality, known_values=KNOWN)


def says(problem: Problem, where: str, rule: str, found: str, mend: str) -> None:
    assert problem.where == where
    assert rule in problem.rule
    assert found in problem.found
    assert mend in problem.mend


def only(problems: list[Problem]) -> Problem:
    assert len(problems) == 1, problems
    return problems[0]


def test_sound_pairs() -> None:
    assert problems_of(make_pair()) == []
    assert problems_of(make_pair(low=-40), modality="MR") == []
    # 16 bits, and a filter's undershoot by a twentieth of the brightest.
    assert problems_of(make_pair(low=-900, high=17000), modality="MR") == []


def test_metal_makes_no_mr_of_a_ct() -> None:
    pair = make_pair()
    pair.image.array[0, 0, :] = 20000
    assert problems_of(pair) == []
    assert "no value below -500" in only(problems_of(pair, modality="MR")).rule


def test_pair_without_foreground_is_allowed_and_counted() -> None:
    pair = make_pair()
    pair.label.array[:] = 0
    assert problems_of(pair) == []
    assert foreground_count(pair.label, [1, 2]) == 0
    summary = summarise_pair("case_7", pair, known_values=KNOWN)
    assert not summary.has_foreground
    assert summary.voxels_by_name == {"heart": 0, "aorta": 0}


def test_shapes_differ() -> None:
    problem = only(problems_of(make_pair(label_shape=(12, 10, 9))))
    found = "image (12, 10, 8), label map (12, 10, 9)"
    says(problem, "case_7", "same shape", found, "resample the label map")


def test_affines_differ_by_a_shift() -> None:
    affine = np.diag([1.5, 1.5, 3.0, 1.0])
    affine[0, 3] = 0.14
    assert problems_of(make_pair(affine=affine)) == []
    affine[0, 3] = 0.16
    problem = only(problems_of(make_pair(affine=affine)))
    found = "0.160 mm apart (limit 0.150 mm)"
    says(problem, "case_7", "must lie within 0.1 voxel", found, "resample the label map")


def test_affines_differ_by_a_flip_and_by_spacing() -> None:
    flipped = np.diag([-1.5, 1.5, 3.0, 1.0])
    assert "33.000 mm apart" in only(problems_of(make_pair(affine=flipped))).found
    stretched = np.diag([1.5, 1.5, 3.1, 1.0])
    assert "0.700 mm apart" in only(problems_of(make_pair(affine=stretched))).found
    assert only(problems_of(make_pair(affine=flipped * np.nan))).found.startswith("corners")


def test_unknown_label_values() -> None:
    pair = make_pair()
    pair.label.array[0, 0, :3] = 9
    pair.label.array[0, 1, 0] = 200
    says(
        only(problems_of(pair)),
        "case_7",
        "must have a name",
        "9 (3 voxels), 200 (1 voxels)",
        "name these values in the site's file (known: [0, 1, 2])",
    )


def test_many_unknown_label_values_are_cut_short() -> None:
    pair = make_pair()
    pair.label.array.reshape(-1)[:50] = np.arange(100, 150)
    problem = only(problems_of(pair))
    assert "119 (1 voxels) and 30 further values" in problem.found


@pytest.mark.parametrize(
    ("low", "high", "modality", "rule", "found", "mend"),
    [
        (0, 2000, "CT", "values below -200 HU", "from 0 to 2000", "export in HU"),
        (-200, 900, "CT", "values below -200 HU", "from -200 to 900", "modality to MR"),
        (-20000, 900, "CT", "-10000 to 40000 HU", "from -20000 to 900", "set padding to -1024"),
        (-1000, 50000, "CT", "-10000 to 40000 HU", "from -1000 to 50000", "check slope"),
        (
            -1000,
            20000,
            "CT",
            "at most 2% of a CT's voxels lie above 4000",
            "76.1%",
            "modality to MR",
        ),
        (-1000, 900, "MR", "no value below -500", "from -1000 to 900", "modality to CT"),
        (5, 5, "MR", "must not be constant", "every voxel at 5", "export the image again"),
        (5, 5, "CT", "must not be constant", "every voxel at 5", "export the image again"),
        (-1000, 900, "PET", "must be CT or MR", "'PET'", "correct the modality"),
    ],
)
def test_intensities(
    low: float, high: float, modality: str, rule: str, found: str, mend: str
) -> None:
    problem = only(problems_of(make_pair(low=low, high=high), modality=modality))
    says(problem, "case_7", rule, found, mend)


def test_all_problems_of_a_pair_come_together() -> None:
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    pair = make_pair(low=0, high=50000, affine=affine, label_shape=(9, 9, 9))
    pair.label.array[0] = 77
    rules = [problem.rule for problem in problems_of(pair)]
    assert len(rules) == 5


def test_counts_and_summary() -> None:
    pair = make_pair()
    pair.label.array[0, 0, 0] = 9
    assert count_values(pair.label) == {0: 960 - 10, 1: 8, 2: 1, 9: 1}
    assert foreground_count(pair.label, [0, 1, 2]) == 9
    known = {0: "background", 1: "heart", 2: "heart", 3: "background", 4: "liver"}
    summary = summarise_pair("case_7", pair, known_values=known)
    assert summary.case == "case_7"
    assert summary.shape == SHAPE
    assert summary.spacing == (1.5, 1.5, 3.0)
    assert summary.orientation == "RAS"
    assert summary.intensity_range == (-1000, 300)
    assert summary.voxels_by_name == {"heart": 9, "liver": 0}
    assert summary.has_foreground


def test_counting_beyond_one_chunk() -> None:
    array = np.zeros((128, 128, 130), dtype=np.uint16, order="F")
    array[:, :, ::2] = 500
    half = array.size // 2
    assert count_values(Volume(array, np.eye(4))) == {0: half, 500: half}


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<i4", "<i8"])
def test_labels_of_every_type_are_counted_alike(dtype: str) -> None:
    array = np.random.default_rng(0).integers(0, 200, (9, 8, 7)).astype(dtype)
    values, numbers = np.unique(array, return_counts=True)
    expected = dict(zip(values.tolist(), numbers.tolist(), strict=True))
    assert count_values(Volume(array, np.eye(4))) == expected


# ---------------------------------------------------------------- files


def save(path: Path, array: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(array, np.diag([1.5, 1.5, 3.0, 1.0])), path)
    return path


def test_read_pair(tmp_path: Path) -> None:
    pair = make_pair()
    image = save(tmp_path / "image.nii.gz", pair.image.array)
    label = save(tmp_path / "label.nii.gz", pair.label.array)
    loaded = read_pair("case_7", image_path=image, label_path=label)
    np.testing.assert_array_equal(loaded.image.array, pair.image.array)
    np.testing.assert_array_equal(loaded.label.array, pair.label.array)


def test_read_pair_tells_the_problems_of_both_files(tmp_path: Path) -> None:
    label = save(tmp_path / "label.nii", np.full(SHAPE, 0.5, dtype=np.float32))
    image = tmp_path / "none.nii"
    with pytest.raises(DataError) as caught:
        read_pair("case_7", image_path=image, label_path=label)
    first, second = caught.value.problems
    says(first, f"case_7: {image}", "must exist", "no such file", "correct the path")
    says(second, f"case_7: {label}", "integer", "960 of 960 voxels", "nearest neighbour")


def test_collect_problems_goes_on_after_an_unreadable_case(tmp_path: Path) -> None:
    bad = make_pair(low=0)
    missing = tmp_path / "none.nii"
    loaders = [
        ("a", lambda: read_pair("a", image_path=missing, label_path=missing)),
        ("b", lambda: make_pair()),
        ("c", lambda: bad),
    ]

    def check(case: str, pair: LabelledVolume) -> list[Problem]:
        return check_pair(case, pair, modality="CT", known_values=KNOWN)

    wheres = [problem.where for problem in collect_problems(loaders, check)]
    assert wheres == [f"a: {missing}", f"a: {missing}", "c"]


# ---------------------------------------------------------------- splits


def test_sound_splits() -> None:
    splits = {"train": [("a", "p1"), ("b", "p1")], "valid": [("c", "p2")], "test": []}
    assert check_split(splits) == []


def test_patient_in_two_splits() -> None:
    splits = {"train": [("a", "p1"), ("b", "p1")], "test": [("c", "p1"), ("d", "p2")]}
    says(
        only(check_split(splits)),
        "patient p1",
        "must stand in the same split",
        "train: a, b; test: c",
        "move all cases of the patient into one split",
    )


def test_case_in_two_splits_or_twice_in_one() -> None:
    splits = {"train": [("a", "p1"), ("b", "p3"), ("b", "p3")], "test": [("a", "p2")]}
    first, second = check_split(splits)
    says(first, "a", "in one split, once", "it in train, test", "keep the case in one split")
    says(second, "b", "in one split, once", "it in train (2 times)", "keep the case in one")


@pytest.mark.parametrize("train", [{}, {"train": []}])
def test_empty_training_split(train: dict[str, list[tuple[str, str]]]) -> None:
    problem = only(check_split({**train, "test": [("a", "p1")]}))
    says(problem, "split train", "at least one case", "no case", "move cases into 'train'")
    assert check_split({"fit": [("a", "p1")]}, training="fit") == []


@pytest.mark.parametrize(
    ("splits", "found"), [({}, "(none given)"), ({"train": [], "test": []}, "'train', 'test'")]
)
def test_empty_data_set(splits: dict[str, list[tuple[str, str]]], found: str) -> None:
    problem = only(check_split(splits))
    says(problem, "splits", "must have at least one case", found, "name at least one case")


def test_where_nobody_trains_no_training_split_is_needed() -> None:
    assert check_split({"train": [], "test": [("a", "p")]}, training=None) == []
    (problem,) = check_split({"train": [], "test": []}, training=None)
    assert "at least one case" in problem.rule


def test_all_problems_of_splits_come_together() -> None:
    splits = {"train": [], "valid": [("a", "p1"), ("b", "p2")], "test": [("a", "p1"), ("c", "p2")]}
    wheres = [problem.where for problem in check_split(splits)]
    assert wheres == ["split train", "a", "patient p1", "patient p2"]


# ---------------------------------------------------------------- real volumes


def real_data() -> Path:
    named = os.environ.get("FEDGIN_REAL_DATA")
    repository = Path(__file__).resolve().parents[2]
    return Path(named) if named else repository.parent / "shared" / "data" / "totalsegmentator"


@pytest.mark.skipif(not (real_data() / "manifest.json").is_file(), reason="no real volumes here")
@pytest.mark.parametrize("number", range(3))
def test_real_pairs_pass(number: int) -> None:
    entry = json.loads((real_data() / "manifest.json").read_text())[number]
    pair = read_pair(
        entry["image"],
        image_path=real_data() / entry["image"],
        label_path=real_data() / entry["label"],
    )
    names = {item["value"]: name for name, item in entry["labels"].items()}
    known = {0: "background", **names}
    assert check_pair("real", pair, modality=entry["modality"], known_values=known) == []
    summary = summarise_pair("real", pair, known_values=known)
    assert summary.shape == tuple(entry["shape"])
    assert summary.spacing == pytest.approx(entry["spacing"], abs=1e-3)
    assert summary.orientation == entry["orientation"]
    expected = {name: item["voxels"] for name, item in entry["labels"].items()}
    assert summary.voxels_by_name == expected
