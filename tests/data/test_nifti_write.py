"""Label maps as NIfTI: the grid of the file that they belong to, bit for bit."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nifti_files import forge, write

from fedgin.data.nifti import read_nifti
from fedgin.data.nifti_write import header_at, header_like, write_label

LABEL = np.random.default_rng(0).integers(0, 7, (5, 4, 3)).astype(np.uint8)
AFFINE = np.array([[1.1, 0.2, 0, -7.3], [-0.2, 1.1, 0, 3.1], [0, 0, 2.9, 1e3 / 3], [0, 0, 0, 1]])


def place(header: nib.Nifti1Header) -> dict[str, list[float]]:
    """The fields that place voxels, whatever the byte order."""
    fields = ("sform_code", "qform_code", "srow_x", "srow_y", "srow_z", "xyzt_units")
    fields += ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
    return {name: np.ravel(header[name]).tolist() for name in fields} | {
        "pixdim": header["pixdim"][:4].tolist()
    }


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_label_map_lies_exactly_where_the_image_does(
    version: int, order: str, name: str, tmp_path: Path
) -> None:
    texts = {"descrip": b"DOE^JANE", "aux_file": b"secret"}
    content = forge(affine=AFFINE, version=version, order=order, **texts)  # type: ignore[arg-type]
    image = write(tmp_path / name, content)
    write_label(tmp_path / "label.nii.gz", LABEL, header_like(image))
    raw = gzip.decompress((tmp_path / "label.nii.gz").read_bytes())
    assert b"DOE" not in raw
    assert b"secret" not in raw
    mine, theirs = nib.load(tmp_path / "label.nii.gz"), nib.load(image)
    assert type(mine.header) is type(theirs.header)
    assert place(mine.header) == place(theirs.header)
    assert np.array_equal(mine.affine, theirs.affine)
    assert np.array_equal(np.asarray(mine.dataobj), LABEL)
    assert mine.get_data_dtype() == np.uint8
    read = read_nifti(tmp_path / "label.nii.gz", kind="label")
    assert np.array_equal(read.array, LABEL)
    assert np.array_equal(read.affine, read_nifti(image, kind="image").affine)


def test_a_file_with_a_qform_only_stays_one(tmp_path: Path) -> None:
    image = nib.Nifti1Image(LABEL.astype(np.int16), None)
    image.set_qform(AFFINE, code=1)
    image.set_sform(None, code=0)
    nib.save(image, tmp_path / "a.nii")
    write_label(tmp_path / "b.nii.gz", LABEL, header_like(tmp_path / "a.nii"))
    mine, theirs = nib.load(tmp_path / "b.nii.gz"), nib.load(tmp_path / "a.nii")
    assert place(mine.header) == place(theirs.header)
    assert np.array_equal(mine.affine, theirs.affine)


def test_an_axis_of_length_one_is_left_out(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(LABEL[..., None].astype(np.int16), AFFINE), tmp_path / "a.nii")
    write_label(tmp_path / "b.nii.gz", LABEL, header_like(tmp_path / "a.nii"))
    assert nib.load(tmp_path / "b.nii.gz").shape == LABEL.shape


def test_an_affine_alone_is_enough_and_any_order_in_memory_will_do(tmp_path: Path) -> None:
    for number, label in enumerate((LABEL, np.asfortranarray(LABEL), np.flip(LABEL, 1))):
        write_label(tmp_path / f"{number}.nii.gz", label, header_at(AFFINE))
        found = nib.load(tmp_path / f"{number}.nii.gz")
        assert np.array_equal(np.asarray(found.dataobj), label)
        np.testing.assert_allclose(found.affine, AFFINE, rtol=1e-6)
        assert found.header.get_xyzt_units()[0] == "mm"


def test_the_same_labels_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "b.nii.gz"):
        write_label(tmp_path / name, LABEL, header_at(AFFINE))
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
