"""Splits of prepared volumes, and all that a site must mend before it can train."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from linear_tissue import (
    ORIENTATIONS,
    OWN_SPACING,
    PATTERNS,
    classes,
    hospital,
    hu,
    storage,
    structures,
    window,
    world_zyx,
    write_case,
)
from site_files import problems_of, save

from fedgin.data.prepare import prepare_site
from fedgin.errors import ConfigError, DataError
from fedgin.settings import make_settings
from fedgin.sites.lookup import Site

# ---------------------------------------------------------------- splits


def test_patients_are_kept_apart_and_slices_counted(six: Site) -> None:
    prepared = prepare_site(six, OWN_SPACING)
    sizes = {name: len(cases) for name, cases in prepared.splits.items()}
    assert sizes == {"train": 3, "validation": 1, "test": 2}
    patients = [case.patient for cases in prepared.splits.values() for case in cases]
    assert len(set(patients)) == 6
    assert prepared.n_training_slices == 3 * 10


def test_a_patient_in_two_splits_is_refused(tmp_path: Path) -> None:
    for name in ("anna_1", "anna_2", "bert_1"):
        write_case(tmp_path, name)
    dataset = {"root": str(tmp_path), **PATTERNS, "patient": "^([a-z]+)"}
    split = {"by": "patient", "train": ["anna", "bert"], "test": ["anna"]}
    site = hospital(tmp_path, dataset=dataset, split=split)
    problems = problems_of(lambda: prepare_site(site, OWN_SPACING), DataError)
    told = [problem for problem in problems if problem.where == "patient anna"]
    assert len(told) == 1
    assert told[0].rule == "all cases of a patient must stand in the same split"
    assert told[0].found == "train: anna_1, anna_2; test: anna_1, anna_2"
    assert told[0].mend == "move all cases of the patient into one split"


def test_a_split_without_training_is_refused(six: Site, tmp_path: Path) -> None:
    site = hospital(tmp_path, split={"by": "patient", "train": [], "test": ORIENTATIONS})
    (problem,) = problems_of(lambda: prepare_site(site, OWN_SPACING), DataError)
    assert problem.where == "split train"
    assert "test: 6" in problem.found


@pytest.mark.parametrize(
    ("shares", "lengths"),
    [
        ((0.5, 0.2, 0.3), (5, 2, 3)),
        ((0.55, 0.22, 0.23), (6, 2, 2)),
        ((0.7, 0.0, 0.3), (7, 0, 3)),
        ((0.4, 0.3, 0.1), (4, 3, 1)),
        ((1.0, 0.0, 0.0), (10, 0, 0)),
    ],
)
def test_slabs_follow_each_other_from_the_feet(
    tmp_path: Path, shares: tuple[float, ...], lengths: tuple[int, ...]
) -> None:
    write_case(tmp_path, "a", "PIR")
    names = ("train", "validation", "test")
    split = {"by": "slab", **dict(zip(names, shares, strict=True))}
    splits = prepare_site(hospital(tmp_path, split=split), OWN_SPACING).splits
    assert tuple(sum(len(case.image) for case in splits[name]) for name in names) == lengths
    label = np.concatenate([case.label for name in names for case in splits[name]])
    image = np.concatenate([case.image for name in names for case in splits[name]])
    used = sum(lengths)
    np.testing.assert_array_equal(label, classes(world_zyx())[:used])
    np.testing.assert_allclose(image, window(hu(world_zyx()))[:used], atol=1e-3)
    for name in names:
        for case in splits[name]:
            assert {tuple(row) for row in case.foreground[:, 1:].tolist()} == {
                tuple(map(int, place)) for place in np.argwhere(case.label)
            }


def test_a_slab_without_a_slice_is_refused(tmp_path: Path) -> None:
    write_case(tmp_path, "a")
    site = hospital(tmp_path, split={"by": "slab", "train": 0.9, "test": 0.01})
    (problem,) = problems_of(lambda: prepare_site(site, OWN_SPACING), DataError)
    assert problem.where == "slab 'test'"
    assert problem.rule == "a slab must hold at least one slice"
    assert problem.found == "none of 10 slices"
    assert "'split'" in problem.mend


# ---------------------------------------------------------------- refusals


def test_all_problems_of_a_site_come_together(tmp_path: Path) -> None:
    affine, points = storage("RAS")
    for name in ("fine", "gone", "shape", "nan", "value", "mr", "text", "moved"):
        write_case(tmp_path, name)
    (tmp_path / "la" / "gone.nii.gz").unlink()
    save(tmp_path / "la" / "shape.nii.gz", structures(points)[:, :, :-1], affine)
    image = hu(points).astype(np.float32)
    image[1, 2, 3] = np.nan
    save(tmp_path / "im" / "nan.nii.gz", image, affine)
    label = structures(points)
    label[0, 0, :5] = 77
    save(tmp_path / "la" / "value.nii.gz", label, affine)
    save(tmp_path / "im" / "mr.nii.gz", np.abs(hu(points)), affine)
    (tmp_path / "im" / "text.nii.gz").write_bytes(b"not an image")
    shifted = affine.copy()
    shifted[2, 3] += 3
    save(tmp_path / "la" / "moved.nii.gz", structures(points), shifted)

    site = hospital(tmp_path)
    problems = problems_of(lambda: prepare_site(site, OWN_SPACING), DataError)
    told = {problem.where.partition(":")[0]: problem for problem in problems}
    assert set(told) == {"gone", "shape", "nan", "value", "mr", "text", "moved"}
    for name, rule, found in [
        ("gone", "must exist", "no such file"),
        ("shape", "must have the same shape", "label map (16, 12, 9)"),
        ("nan", "must be finite", "1 of 1920 voxels"),
        ("value", "must have a name in the site's label map", "77 (5 voxels)"),
        ("mr", "a CT image must have values below -200 HU", "intensities from"),
        ("text", "undamaged gzip", "Not a gzipped file"),
        ("moved", "must lie within 0.1 voxel", "3.000 mm apart"),
    ]:
        matching = [p for p in problems if p.where.partition(":")[0] == name]
        assert any(rule in p.rule and found in p.found and p.mend for p in matching), name


def test_repaired_files_are_accepted_and_sound_ones_not_read_again(tmp_path: Path) -> None:
    write_case(tmp_path, "fine", "RAS")
    write_case(tmp_path, "gone", "LPS")
    (tmp_path / "la" / "gone.nii.gz").unlink()
    site = hospital(tmp_path)
    problems_of(lambda: prepare_site(site, OWN_SPACING), DataError)
    write_case(tmp_path, "gone", "LPS")
    assert prepare_site(site, OWN_SPACING).prepared == 1


def test_a_task_that_the_site_does_not_annotate_is_refused_before_reading(tmp_path: Path) -> None:
    (tmp_path / "im").mkdir()
    (tmp_path / "im" / "a.nii.gz").write_bytes(b"not an image")
    site = hospital(tmp_path)
    problems = problems_of(lambda: prepare_site(site, make_settings(task="abdomen")), ConfigError)
    assert len(problems) == 6
    assert all(problem.where == f"{site.path}: key 'labels'" for problem in problems)
