"""A site with DICOM data is prepared as one with the same volumes in NIfTI files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from site_files import make_site, problems_of, save

from dicom_trees import oblique, voxels, write_series
from fedgin.data.dicom.case import DicomCase
from fedgin.data.dicom.seg import write_seg
from fedgin.data.dicom.series import read_series
from fedgin.data.hashing import FileHashes
from fedgin.data.phantom import PHANTOM_LABELS, phantom_case
from fedgin.data.prepare import prepare_site
from fedgin.data.sources import Case, list_cases, site_labels
from fedgin.data.volume import Volume
from fedgin.errors import ConfigError, DataError
from fedgin.settings import make_settings
from fedgin.sites.lookup import Site
from fedgin.tasks import get_task

HEART = get_task("heart")
SETTINGS = make_settings(task="heart", spacing=[5.0, 5.0, None])
STRUCTURES = PHANTOM_LABELS["heart"]


def core(volume: Volume, edge: int = 44) -> Volume:
    """The middle of a volume, whose voxels stay where they are."""
    low = [max(0, (size - edge) // 2) for size in volume.array.shape]
    part = tuple(slice(start, start + edge) for start in low)
    affine = volume.affine.copy()
    affine[:3, 3] = (affine @ [*low, 1])[:3]
    return Volume(array=volume.array[part], affine=affine)


@pytest.mark.parametrize(
    ("modality", "protocol", "index"), [("CT", "arterial", 0), ("MR", "bssfp", 1)]
)
def test_dicom_and_nifti_of_a_phantom_become_the_same_arrays(
    tmp_path: Path, modality: str, protocol: str, index: int
) -> None:
    case = phantom_case(task="heart", modality=modality, protocol=protocol, seed=4, index=index)
    image, label = core(case.image), core(case.label)
    stored = np.rint(image.array).astype(np.int16)
    save(tmp_path / "nifti" / "image.nii.gz", stored, image.affine)
    save(tmp_path / "nifti" / "label.nii.gz", label.array, image.affine)
    write_series(tmp_path / "dicom" / "a", stored, image.affine, modality=modality)
    series = read_series(tmp_path / "dicom" / "a")
    # Where the stored axes are left-handed, DICOM's order of slices runs the other way.
    turned = np.linalg.det(image.affine[:3, :3]) < 0
    write_seg(
        tmp_path / "dicom" / "a.dcm",
        series=series,
        labels=label.array[..., ::-1] if turned else label.array,
        names={value: f"{name}!" for name, value in STRUCTURES.items()},
    )
    common = {"modality": modality, "split": {"by": "test"}}
    pairs = [{"image": "image.nii.gz", "label": "label.nii.gz"}]
    twin = make_site(
        tmp_path,
        dataset={"kind": "pairs", "root": str(tmp_path / "nifti"), "cases": pairs},
        labels=STRUCTURES,
        **common,
    )
    own = make_site(
        tmp_path,
        dataset={
            "kind": "dicom",
            "root": str(tmp_path / "dicom"),
            "cases": [{"image": "a", "label": "a.dcm"}],
            "labels_as": "seg",
            "segments": {name: f"{name}!" for name in STRUCTURES},
        },
        **common,
    )
    (expected,), (found,) = (
        prepare_site(site, SETTINGS, trains=False).splits["test"] for site in (twin, own)
    )
    np.testing.assert_array_equal(found.image, expected.image)
    np.testing.assert_array_equal(found.label, expected.label)
    np.testing.assert_allclose(found.spacing, expected.spacing, rtol=1e-6)
    assert found.label.any()
    again = prepare_site(own, SETTINGS, trains=False)
    assert again.prepared == 0


# ---------------------------------------------------------------- lists


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two series, a SEG of the first."""
    folder = tmp_path / "data"
    for name in ("one", "two"):
        write_series(folder / "ct" / name, voxels(), oblique(), series=name)
    labels = (voxels() > 900).astype(np.uint8)
    series = read_series(folder / "ct" / "one")
    write_seg(folder / "one.dcm", series=series, labels=labels, names={1: "Heart"})
    return folder


def site_of(root: Path, *cases: dict[str, str], modality: str = "CT", **dataset: Any) -> Site:
    dataset = {"labels_as": "seg", "segments": {"heart": ["Heart", "HEART"]}, **dataset}
    content = {"kind": "dicom", "root": str(root), "cases": list(cases), **dataset}
    labels = {"labels": {"heart": [200, 255]}} if dataset["labels_as"] == "png" else {}
    return make_site(root.parent, modality=modality, dataset=content, **labels)


ONE = {"image": "ct/one", "label": "one.dcm"}


def listed(site: Site) -> list[Case]:
    return list_cases(site, HEART)


def the_case(root: Path, **values: Any) -> DicomCase:
    (case,) = listed(site_of(root, ONE, **values))
    assert isinstance(case, DicomCase)
    return case


def test_cases_are_named_by_their_folders_or_paths(root: Path) -> None:
    two = {"image": "ct/two/", "label": "one.dcm", "patient": "anna"}
    cases = listed(site_of(root, ONE, two))
    assert [(case.name, case.patient) for case in cases] == [("one", "one"), ("two", "anna")]
    (root / "mr" / "one").mkdir(parents=True)
    cases = listed(site_of(root, ONE, {"image": "mr/one", "label": "x.dcm"}))
    assert [case.name for case in cases] == ["ct/one", "mr/one"]


def test_bad_paths_are_refused_together(root: Path, tmp_path: Path) -> None:
    (root / "link").symlink_to(tmp_path)
    (tmp_path / "outside").mkdir()
    cases = [
        {"image": "../outside", "label": "ct/one"},
        {"image": "one.dcm", "label": "link/hospital.yaml"},
    ]
    problems = problems_of(lambda: listed(site_of(root, *cases)), DataError)
    assert [(p.where.partition("cases.")[2], p.found) for p in problems] == [
        ("0.image'", "'..'"),
        ("0.label'", "a folder"),
        ("1.image'", "a file"),
        ("1.label'", "a symbolic link that leads out of it"),
    ]


def test_segments_number_the_structures(root: Path) -> None:
    site = site_of(root, ONE)
    assert site_labels(site, HEART) == ({"heart": 1}, ())
    (case,) = listed(site)
    np.testing.assert_array_equal(case.load().label.array, voxels() > 900)


@pytest.mark.parametrize(
    ("dataset", "rule"),
    [
        ({"segments": None}, "segments is required for seg and rtstruct"),
        ({"labels_as": "png"}, "segments is required for seg and rtstruct, and only there"),
        ({"segments": {"heart": []}}, "'heart' needs at least one name"),
        ({"segments": {"heart": "a", "aorta": ["b", "a"]}}, "'a' stands for both"),
        ({"other_segments": ["Heart"]}, "'Heart' stands for both 'other_segments' and 'heart'"),
        ({"may_lack": ["aorta"]}, "may_lack lists structures of 'segments' only"),
        ({"segment": {}}, "only known keys are allowed"),
    ],
)
def test_a_dataset_that_makes_no_sense_is_refused(
    root: Path, dataset: dict[str, Any], rule: str
) -> None:
    problems = problems_of(lambda: site_of(root, ONE, **dataset), ConfigError)
    assert any(rule in problem.rule for problem in problems)


def test_values_beside_segments_are_refused(root: Path) -> None:
    dataset = site_of(root, ONE).config.dataset.model_dump()
    for more in ({"labels": {"heart": 7}}, {"other_labels": [3]}):
        problems = problems_of(
            lambda more=more: make_site(root.parent, dataset=dataset, **more), ConfigError
        )
        assert "leave out labels" in problems[0].rule


# ---------------------------------------------------------------- reading


def test_the_modality_is_compared_with_the_sites(root: Path) -> None:
    (problem,) = problems_of(the_case(root, modality="MR").load, DataError)
    assert problem.where == f"one: {root / 'ct/one'}"
    assert problem.rule == "the series' modality must be that of the site, MR"
    assert problem.found == "Modality 'CT'"


def test_faults_of_images_and_labels_are_told_together(root: Path, tmp_path: Path) -> None:
    (root / "one.dcm").unlink()
    (root / "ct" / "one" / "IM0002.dcm").unlink()
    case = the_case(root)
    for action in (case.load, lambda: case.content_key(FileHashes(tmp_path / "hashes"))):
        problems = problems_of(action, DataError)
        assert [problem.where for problem in problems] == [
            f"one: {root / 'ct/one'}",
            f"one: {root / 'one.dcm'}",
        ]


def test_the_content_key_follows_every_file_and_the_names(root: Path, tmp_path: Path) -> None:
    hashes = FileHashes(tmp_path / "hashes")
    keys = {the_case(root).content_key(hashes)}
    keys.add(the_case(root, segments={"heart": "Heart"}).content_key(hashes))
    keys.add(the_case(root, other_segments=["Body"]).content_key(hashes))
    for number, path in enumerate([root / "ct/one/IM0003.dcm", root / "one.dcm"], start=1):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        os.utime(path, ns=(1, number))  # a clock too coarse to show the change
        keys.add(the_case(root).content_key(hashes))
    assert len(keys) == 5
    before = the_case(root).content_key(hashes)
    (root / "ct/one/IM0003.dcm").rename(root / "ct/one/renamed")
    assert the_case(root).content_key(hashes) == before
