"""A site's files as they are trained on: orientation, scale, classes, splits and refusals."""

from __future__ import annotations

import itertools
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from linear_tissue import (
    ORIENTATIONS,
    OWN_SPACING,
    classes,
    hospital,
    hu,
    storage,
    structures,
    window,
    world_zyx,
    write_case,
)
from site_files import make_site, save

from fedgin.data.phantom import phantom_case
from fedgin.data.prepare import PreparedCase, prepare_site
from fedgin.data.prepare_case import FOREGROUND_SAMPLES
from fedgin.settings import ResolvedSettings, make_settings
from fedgin.sites.lookup import Site


def all_cases(site: Site, settings: ResolvedSettings = OWN_SPACING) -> list[PreparedCase]:
    return list(itertools.chain(*prepare_site(site, settings).splits.values()))


# ---------------------------------------------------------------- content


def test_any_orientation_becomes_the_same_array_along_z_y_x(six: Site) -> None:
    cases = all_cases(six)
    assert sorted(case.name for case in cases) == sorted(ORIENTATIONS)
    points = world_zyx()
    for case in cases:
        assert case.image.shape == case.label.shape == (10, 12, 16)
        assert (case.image.dtype, case.label.dtype) == (np.float16, np.uint8)
        assert case.spacing == pytest.approx((3.0, 2.5, 2.0))
        np.testing.assert_array_equal(case.label, classes(points))
        np.testing.assert_allclose(case.image, window(hu(points)), atol=1e-3)
        assert (case.site, case.modality, case.patient) == ("hospital", "CT", case.name)


def test_the_spacing_of_the_task_is_reached_without_a_shift(six: Site) -> None:
    step, count = np.array([4.0, 5.0, 3.0]), np.array([8, 6, 10])
    points = world_zyx(step, count)
    settings = make_settings(task="heart", spacing=[4.0, 5.0, None])
    linear = (hu(points) > -175) & (hu(points) < 475)  # where no neighbour is clipped
    assert linear.sum() > 50
    for case in all_cases(six, settings):
        assert case.spacing == pytest.approx((3.0, 5.0, 4.0))
        np.testing.assert_allclose(case.image[linear], window(hu(points))[linear], atol=1e-3)
        # At twice the spacing two voxels are equally near: those at a border may be either.
        clear = np.abs(points[..., 0] + 10) > 2
        np.testing.assert_array_equal(case.label[clear], classes(points)[clear])


def test_an_mr_volume_is_standardised_as_a_whole(tmp_path: Path) -> None:
    affine, points = storage("LPS")
    image = np.exp(hu(points) / 400)
    save(tmp_path / "im" / "a.nii.gz", image, affine)
    save(tmp_path / "la" / "a.nii.gz", structures(points), affine)
    (case,) = all_cases(hospital(tmp_path, modality="MR"))
    world = np.exp(hu(world_zyx()) / 400)
    clipped = np.minimum(world, np.percentile(world, 99.5))
    expected = (clipped - clipped.mean()) / clipped.std()
    np.testing.assert_allclose(case.image, expected, atol=3e-3)


def test_foreground_lists_every_voxel_of_a_small_structure(six: Site) -> None:
    for case in all_cases(six):
        assert case.foreground.dtype == np.int32
        assert {tuple(row) for row in case.foreground.tolist()} == {
            (1, *map(int, place)) for place in np.argwhere(case.label == 1)
        }


def test_foreground_is_a_sample_of_a_large_structure(tmp_path: Path) -> None:
    image = np.full((30, 30, 30), 40, np.int16)
    image[0] = -1000
    save(tmp_path / "im" / "a.nii.gz", image)
    save(tmp_path / "la" / "a.nii.gz", np.full((30, 30, 30), 3, np.uint8))
    (case,) = all_cases(hospital(tmp_path))
    assert len(np.unique(case.foreground, axis=0)) == len(case.foreground) == FOREGROUND_SAMPLES
    mean = case.foreground[:, 1:].mean(axis=0)
    assert np.abs(mean - 14.5).max() < 4 * 30 / np.sqrt(12 * FOREGROUND_SAMPLES)


def test_a_volume_without_the_structure_is_used_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in "abcd":
        write_case(tmp_path, name)
    affine, points = storage("RAS")
    save(tmp_path / "la" / "c.nii.gz", np.where(points[..., 2] > 70, 4, 0).astype(np.uint8), affine)
    with caplog.at_level(logging.INFO, logger="fedgin"):
        prepared = prepare_site(hospital(tmp_path), OWN_SPACING)
    assert prepared.without_foreground == ("c",)
    assert "1 of 4 cases hold no structure of task 'heart'" in caplog.text
    cases = {case.name: case for dealt in prepared.splits.values() for case in dealt}
    assert set(cases) == set("abcd")
    assert cases["c"].foreground.shape == (0, 4)
    assert not cases["c"].label.any()


def test_a_qform_elsewhere_is_warned_of_each_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in "abcd":
        write_case(tmp_path, name)
    file = tmp_path / "im" / "c.nii.gz"
    image = nib.load(file)
    moved = image.affine.copy()
    moved[0, 3] += 50
    image.set_qform(moved, code=1)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header), file)
    site = hospital(tmp_path)
    for _ in ("prepared", "from the cache"):
        caplog.clear()
        prepare_site(site, OWN_SPACING)
        (warning,) = [text for _, _, text in caplog.record_tuples if "qform" in text]
        assert warning.startswith("site hospital: c: sform and qform place the volume up to 50 mm")


# ---------------------------------------------------------------- cache


def test_a_second_preparation_reads_nothing(six: Site, tmp_path: Path) -> None:
    first = prepare_site(six, OWN_SPACING)
    second = prepare_site(six, OWN_SPACING)
    assert (first.prepared, second.prepared) == (6, 0)
    for name, cases in first.splits.items():
        for one, two in zip(cases, second.splits[name], strict=True):
            assert one.name == two.name
            np.testing.assert_array_equal(one.image, two.image)
            np.testing.assert_array_equal(one.foreground, two.foreground)


def test_only_a_changed_file_is_prepared_again(six: Site, tmp_path: Path) -> None:
    prepare_site(six, OWN_SPACING)
    affine, points = storage("LPS")
    save(tmp_path / "im" / "LPS.nii.gz", (hu(points) + 1).astype(np.float32), affine)
    assert prepare_site(six, OWN_SPACING).prepared == 1


def test_changed_settings_prepare_anew(six: Site, tmp_path: Path) -> None:
    prepare_site(six, OWN_SPACING)
    assert prepare_site(six, make_settings(task="heart", spacing=[4, 4, None])).prepared == 6
    assert prepare_site(six, make_settings(task="heart", spacing=[4, 4, None])).prepared == 0
    relabelled = hospital(tmp_path, labels={"heart": 3, "aorta": [4, 9]})
    assert prepare_site(relabelled, OWN_SPACING).prepared == 6
    longer = make_settings(task="heart", spacing=[None] * 3, seed=9, learning_rate=1e-5)
    assert prepare_site(six, longer).prepared == 0


def test_a_lost_cache_is_made_again(six: Site, tmp_path: Path) -> None:
    prepare_site(six, OWN_SPACING)
    shutil.rmtree(tmp_path / "cache")
    assert prepare_site(six, OWN_SPACING).prepared == 6


def test_a_quota_below_the_need_still_trains(six: Site, tmp_path: Path) -> None:
    site = hospital(tmp_path, cache={"folder": str(tmp_path / "small"), "quota_gb": 1e-6})
    assert len(all_cases(site)) == 6
    assert len(list((tmp_path / "small" / "volumes").iterdir())) == 6


# ---------------------------------------------------------------- phantom


def test_a_phantom_site_is_prepared_and_then_opened_fast(
    load: Callable[[str], Site], quick: ResolvedSettings, tmp_path: Path
) -> None:
    loaded = load("site-2")
    cache = {"folder": str(tmp_path / "cache")}
    site = make_site(
        tmp_path, modality="MR", dataset=loaded.config.dataset.model_dump(), cache=cache
    )
    first = prepare_site(site, quick)
    second = prepare_site(site, quick)
    assert (first.prepared, second.prepared) == (4, 0)
    assert second.seconds * 5 < first.seconds
    for case in itertools.chain(*second.splits.values()):
        index = int(case.patient.rpartition("-")[2])
        phantom = phantom_case(task="heart", modality="MR", protocol="bssfp", seed=2, index=index)
        voxel = abs(np.linalg.det(phantom.label.affine[:3, :3]))
        millilitres = np.count_nonzero(phantom.label.array) * voxel / 1000
        found = np.count_nonzero(case.label) * np.prod(case.spacing) / 1000
        assert found == pytest.approx(millilitres, rel=0.05)
        assert case.spacing[1:] == pytest.approx((5.0, 5.0), rel=0.05)
        assert float(case.image.astype(np.float64).mean()) == pytest.approx(0, abs=0.01)
        assert float(case.image.astype(np.float64).std()) == pytest.approx(1, abs=0.01)
