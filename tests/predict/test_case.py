"""One scan: the engine's own segmentation, on the grid that the scan has."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scans import (
    CPU,
    Bands,
    ct_blob,
    make_model,
    save_scan,
    scan_of,
    tiny_settings,
    turned,
)

from fedgin.config import parse, read_mapping
from fedgin.data.export_phantom import export_phantoms
from fedgin.data.prepare import PreparedCase, prepare_site
from fedgin.engine.evaluator import segment
from fedgin.errors import DataError
from fedgin.metrics.dice import dice_per_class
from fedgin.predict.case import Choices, predict_case
from fedgin.predict.inputs import find_inputs
from fedgin.predict.outputs import open_folder
from fedgin.predict.runner import predict_all
from fedgin.sites.lookup import Site
from fedgin.sites.schema import SiteConfig

SITE = """\
modality: {modality}
dataset:
  kind: datalist
  root: {root}
  file: dataset.json
labels: {{left_ventricle: 1, right_ventricle: 2, left_atrium: 3, right_atrium: 4, myocardium: 5}}
split: {{by: fraction, validation: 0, test: 0, seed: 0}}
cache: {{folder: {root}/cache}}
threads: 1
"""


def phantom(folder: Path, modality: str, settings: Any) -> tuple[Path, PreparedCase]:
    """A phantom's file, and the case that training would make of it."""
    protocol = "native" if modality == "CT" else "bssfp"
    (name,) = export_phantoms(
        folder, task="heart", modality=modality, protocol=protocol, seed=3, indices=[0]
    )
    file = folder / "site-1.yaml"
    file.write_text(SITE.format(modality=modality, root=folder))
    config = parse(SiteConfig, read_mapping(file), where=str(file))
    site = Site(name="site-1", path=file, config=config)
    splits = prepare_site(site, settings, partial=True, trains=False).splits
    (case,) = itertools.chain(*splits.values())
    return folder / "images" / f"{name}.nii.gz", case


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_file_gets_what_the_engine_says_of_the_prepared_case(
    modality: str, dims: int, tmp_path: Path
) -> None:
    settings = tiny_settings(dims=dims, spacing=[6.0, 6.0, None if dims == 2 else 8.0])
    model = make_model(settings)
    file, case = phantom(tmp_path, modality, settings)
    expected = segment(model.network, case.image, settings=settings, device=CPU)
    found = predict_case(model, scan_of(file), Choices(shift_check=False))
    assert found.modality == modality
    assert np.array_equal(found.task_classes, expected)
    assert dice_per_class(found.task_classes, expected, n_classes=2)[0] == 1.0
    image = nib.load(file)
    assert found.label.shape == image.shape
    np.testing.assert_array_equal(found.scan.affine, image.affine)


ORIENTATIONS = [
    (order, signs)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


def test_however_a_file_stores_a_scan_the_result_is_the_same(tmp_path: Path) -> None:
    """All 48 orders of the axes, oblique: the reoriented file has the reoriented label map."""
    settings = tiny_settings("abdomen", spacing=[4.0, 5.0, 6.0])
    model = make_model(settings)
    array, affine = ct_blob((17, 14, 9)), turned((0.1, -0.05, 0.2), (2.5, 3.0, 4.0))
    plain = predict_case(
        model, scan_of(save_scan(tmp_path / "a.nii", array, affine)), Choices(shift_check=False)
    ).label
    assert len(np.unique(plain)) > 2
    for order, signs in ORIENTATIONS:
        transform = np.column_stack([order, signs])
        stored = nib.orientations.apply_orientation(array, transform)
        placed = affine @ nib.orientations.inv_ornt_aff(transform, array.shape)
        file = save_scan(tmp_path / "b.nii", np.ascontiguousarray(stored), placed)
        found = predict_case(model, scan_of(file), Choices(shift_check=False)).label
        expected = nib.orientations.apply_orientation(plain, transform)
        assert np.array_equal(found, expected), (order, signs)


@pytest.mark.parametrize("shape", [(31, 17, 2), (2, 33, 45), (64, 63, 5)])
@pytest.mark.parametrize("dims", [2, 3])
def test_odd_sizes(shape: tuple[int, int, int], dims: int, tmp_path: Path) -> None:
    """Every voxel gets its own class where the network looks at voxels alone."""
    settings = tiny_settings(dims=dims, spacing=[None, None, None])
    low, high = settings.task.ct_window
    centre = 2 * (100.0 - low) / (high - low) - 1
    model = make_model(settings, Bands(centre - 0.5, centre + 0.5))
    array = np.random.default_rng(0).integers(-1000, 300, shape).astype(np.int16)
    array[array == 100] = 101
    file = save_scan(tmp_path / "a.nii.gz", array, turned())
    found = predict_case(model, scan_of(file), Choices())
    clear = abs(array - 100) > 2  # half precision
    assert np.array_equal(found.label[clear], (array > 100)[clear])
    assert found.overall.agreement == 1.0


def test_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    model = make_model()
    hu = ct_blob()
    plain = save_scan(tmp_path / "a.nii.gz", hu)
    stored = save_scan(tmp_path / "b.nii.gz", hu)
    image = nib.Nifti1Image(((hu + 1024) // 2).astype(np.int16), nib.load(plain).affine)
    image.header.set_slope_inter(2, -1024)
    nib.save(image, stored)
    even = save_scan(tmp_path / "c.nii.gz", ((hu + 1024) // 2 * 2 - 1024).astype(np.int16))
    found = [predict_case(model, scan_of(file), Choices()).label for file in (stored, even)]
    assert np.array_equal(found[0], found[1])


def test_a_fourth_axis_of_length_1_is_no_part_of_the_label_map(tmp_path: Path) -> None:
    """Converters write (X, Y, Z, 1): the result is 3D, with the same affine and labels."""
    source, affine = tmp_path / "in", turned((0.1, 0.2, 0.3))
    save_scan(source / "a.nii.gz", ct_blob(), affine)
    save_scan(source / "b.nii.gz", ct_blob()[..., None], affine)
    assert nib.load(source / "b.nii.gz").shape == (30, 28, 12, 1)
    found = find_inputs(source)
    open_folder(tmp_path / "out", found.inputs, source=source, force=False)
    predict_all(make_model(), found, tmp_path / "out", choices=Choices(shift_check=False))
    plain, other = (nib.load(tmp_path / "out" / name) for name in ("a.nii.gz", "b.nii.gz"))
    assert other.shape == (30, 28, 12)
    assert np.array_equal(other.affine, nib.load(source / "b.nii.gz").affine)
    assert np.array_equal(np.asarray(other.dataobj), np.asarray(plain.dataobj))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("4D", "must be 3D"),
        ("slice", "two or more voxels"),
        ("singular", "invertible"),
        ("sheared", "orthogonal"),
        ("lies", "promised"),
        ("constant", "must not be constant"),
        ("nan", "finite"),
        ("labels", "as in a label map"),
    ],
)
def test_unfit_scans_are_refused(change: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "a.nii"
    hu = ct_blob().astype(np.float32)
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    if change == "4D":
        hu = np.stack([hu, hu], axis=-1)
    elif change == "slice":
        hu = hu[:, :, :1]
    elif change == "singular":
        affine[2, :3] = affine[1, :3]
    elif change == "sheared":
        affine[0, 1] = 1.0
    elif change == "constant":
        hu[:] = -1000
    elif change == "nan":
        hu[0, 0, 0] = np.nan
    elif change == "labels":
        hu = np.random.default_rng(0).integers(0, 4, hu.shape).astype(np.float32)
    save_scan(file, hu)
    content = bytearray(file.read_bytes())
    content[280:328] = affine[:3].astype("<f4").tobytes()
    if change == "lies":
        content[42:48] = np.array([900, 900, 900], "<i2").tobytes()
    file.write_bytes(content)
    with pytest.raises(DataError, match=words):
        predict_case(make_model(), scan_of(file), Choices())


def test_a_scan_of_a_modality_that_the_card_does_not_list_is_warned_of(tmp_path: Path) -> None:
    model = make_model()
    ct_only = {name: facts for name, facts in model.card.sites.items() if facts.modality == "CT"}
    card = model.card.model_copy(
        update={"sites": ct_only, "modalities": {"CT": model.card.modalities["CT"]}}
    )
    model = replace(model, card=card)
    array = np.random.default_rng(0).gamma(2, 150, (20, 20, 8)).astype(np.float32)
    file = save_scan(tmp_path / "a.nii", array)
    found = predict_case(model, scan_of(file), Choices())
    assert found.modality == "MR"
    (flag,) = [flag for flag in found.flags if flag.code == "modality_not_in_card"]
    assert flag.text == "a scan of modality MR; the model was trained on CT"
    given = predict_case(model, scan_of(file), Choices(modality="CT"))
    codes = {flag.code for flag in given.flags}
    assert "intensities_unlike_modality" in codes
    assert "modality_not_in_card" not in codes


def test_the_clean_up_leaves_one_piece_of_each_structure(tmp_path: Path) -> None:
    settings = tiny_settings(spacing=[None, None, None])
    model = make_model(settings, Bands(-1, 0))
    array = np.full((24, 24, 10), -1000, np.int16)
    array[2:8, 2:8, 2:8], array[15:17, 15:17, 4:6] = 150, 150
    array += np.random.default_rng(0).integers(0, 20, array.shape).astype(np.int16)
    file = save_scan(tmp_path / "a.nii", array)
    before = predict_case(model, scan_of(file), Choices())
    after = predict_case(model, scan_of(file), Choices(largest_component=True))
    assert int(before.label.sum()) == 6**3 + 2**3
    assert int(after.label.sum()) == 6**3
    assert after.removed == {"heart": 2**3}
    assert after.organs[0].size is not None
    assert after.organs[0].size.voxels == 6**3


def test_nothing_found_is_an_empty_prediction(tmp_path: Path) -> None:
    model = make_model(network=Bands(0, 1e3))
    found = predict_case(model, scan_of(save_scan(tmp_path / "a.nii", ct_blob())), Choices())
    assert not found.label.any()
    assert [flag.code for flag in found.flags] == ["empty_prediction"]
    assert found.organs[0].status == "empty"
