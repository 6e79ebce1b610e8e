"""The facts of a case against plain counting, and hashes that follow voxels and nothing else."""

from __future__ import annotations

import itertools

import nibabel
import numpy as np
import pytest

from fedgin.data.pair_facts import PairFacts, gather_facts, voxel_hash
from fedgin.data.volume import LabelledVolume, Volume

CODES = [
    "".join(letters)
    for axes in itertools.permutations(("RL", "AP", "SI"))
    for letters in itertools.product(*axes)
]


def make(shape: tuple[int, int, int] = (7, 6, 5), *, seed: int = 0) -> LabelledVolume:
    generator = np.random.default_rng(seed)
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = [-5.0, 7.0, 11.0]
    image = generator.normal(0, 100, shape).astype(np.float32)
    label = np.zeros(shape, dtype=np.uint8)
    label[1:-1, 1:-1, 1:-1] = generator.integers(0, 3, tuple(n - 2 for n in shape))
    label[0, 2, 2] = 9
    return LabelledVolume(image=Volume(image, affine), label=Volume(label, affine))


def turned(volume: Volume, codes: str) -> Volume:
    image = nibabel.Nifti1Image(volume.array, volume.affine)
    here = nibabel.orientations.io_orientation(volume.affine)
    there = nibabel.orientations.axcodes2ornt(codes)
    out = image.as_reoriented(nibabel.orientations.ornt_transform(here, there))
    return Volume(np.asarray(out.dataobj), out.affine)


def test_structures_are_counted_and_placed_as_by_hand() -> None:
    pair = make()
    facts = gather_facts(pair, values=[0, 1, 2, 9, 200])
    assert set(facts.structures) == {1, 2, 9}
    for value, structure in facts.structures.items():
        places = np.argwhere(pair.label.array == value)
        assert structure.voxels == len(places)
        world = nibabel.affines.apply_affine(pair.label.affine, places).mean(axis=0)
        np.testing.assert_allclose(structure.centre, world, atol=1e-9)
        assert structure.spread == pytest.approx(2.0 * places[:, 0].std())
        assert structure.at_face == (value == 9)
    assert facts.voxel_ml == pytest.approx(0.024)
    assert facts.intensity_range == (pair.image.array.min(), pair.image.array.max())
    assert facts.orientation == "RAS"
    assert facts.spacing == (2.0, 3.0, 4.0)


@pytest.mark.parametrize("codes", CODES)
def test_the_order_of_storage_changes_only_what_describes_it(codes: str) -> None:
    pair = make()
    plain = gather_facts(pair, values=[1, 2, 9])
    other = LabelledVolume(image=turned(pair.image, codes), label=turned(pair.label, codes))
    facts = gather_facts(other, values=[1, 2, 9])
    assert facts.orientation == codes
    for name in ("image_hash", "label_hash", "spacing", "intensity_range"):
        assert getattr(facts, name) == getattr(plain, name), name
    assert facts.voxel_ml == pytest.approx(plain.voxel_ml)
    for value, structure in facts.structures.items():
        assert structure.voxels == plain.structures[value].voxels
        assert structure.at_face == plain.structures[value].at_face
        np.testing.assert_allclose(structure.centre, plain.structures[value].centre, atol=1e-9)
        assert structure.spread == pytest.approx(plain.structures[value].spread)


def test_one_voxel_or_a_mirrored_patient_changes_the_hash() -> None:
    volume = make().image
    before = voxel_hash(volume, dtype="<f4")
    changed = volume.array.copy()
    changed[3, 3, 3] = np.nextafter(changed[3, 3, 3], np.float32(1e9))
    assert voxel_hash(Volume(changed, volume.affine), dtype="<f4") != before
    assert voxel_hash(Volume(volume.array[::-1], volume.affine), dtype="<f4") != before
    moved = volume.affine + np.array([[0, 0, 0, 5.0]] + 3 * [[0, 0, 0, 0]])
    assert voxel_hash(Volume(volume.array, moved), dtype="<f4") == before
    flat = np.zeros((4, 6, 2), dtype=np.float32)
    shapes = {
        voxel_hash(Volume(flat.reshape(s), np.eye(4)), dtype="<f4") for s in ((4, 6, 2), (6, 4, 2))
    }
    assert len(shapes) == 2


def test_labels_of_another_type_hash_alike() -> None:
    label = make().label
    wide = Volume(label.array.astype(np.int64), label.affine)
    assert voxel_hash(wide, dtype="<u2") == voxel_hash(label, dtype="<u2")


def test_an_oblique_grid_has_its_tilt() -> None:
    pair = make()
    turn = np.radians(30)
    affine = pair.image.affine.copy()
    rotation = [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    affine[:3, :3] = np.array(rotation) @ affine[:3, :3]
    facts = gather_facts(LabelledVolume(Volume(pair.image.array, affine), pair.label), values=[1])
    assert facts.tilt_degrees == pytest.approx(30)


def test_facts_survive_as_json_and_are_small() -> None:
    facts = gather_facts(make((30, 20, 10)), values=range(300))
    text = facts.model_dump_json()
    assert len(text) < 2000
    from fedgin.documents import parse_json

    assert PairFacts.model_validate(parse_json(text)) == facts


def test_a_label_map_of_another_grid_is_described_on_its_own() -> None:
    pair = make()
    small = Volume(pair.label.array[:4], pair.label.affine)
    facts = gather_facts(LabelledVolume(pair.image, small), values=[1, 2, 9])
    assert facts.shape == (7, 6, 5)
    assert facts.structures[1].voxels == int((small.array == 1).sum())
