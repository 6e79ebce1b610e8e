"""What an image and its label map hold, in a few kilobytes: enough to judge and compare cases."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection

import nibabel
import numpy as np
from scipy import ndimage

from fedgin.config import StrictModel
from fedgin.data.preprocess import to_ras
from fedgin.data.volume import LabelledVolume, Volume


class StructureFacts(StrictModel):
    """The voxels of one label value.

    Attributes:
        voxels: Their number.
        centre: Mean position in the patient in mm, RAS+: x grows to the patient's right.
        spread: Standard deviation of the positions in mm, along the array axis that is nearest to
            the patient's left-right axis.
        at_face: Whether one lies on an outer face of the volume, so that the field of view may
            have cut the structure.
        runs: Along each array axis the runs of planes that hold one, first and last index each.
    """

    voxels: int
    centre: tuple[float, float, float]
    spread: float
    at_face: bool
    runs: tuple[tuple[tuple[int, int], ...], ...]


class PairFacts(StrictModel):
    """A case without its voxels.

    Attributes:
        shape: Voxels of the image along its array axes.
        spacing: Edge lengths of a voxel in mm along the patient's axes: left-right, back-front,
            feet-head.
        orientation: Directions towards which the array axes point, such as RAS or LPS.
        tilt_degrees: Largest angle between an array axis and the patient's axis nearest to it.
        bare_affine: Whether voxel indices are the coordinates: 1 mm, no offset, no turn.
        intensity_range: Lowest and highest intensity: HU for CT, arbitrary units for MR.
        voxel_ml: Volume of a voxel of the label map in ml.
        image_hash: Hash of the image's voxels in upright order; the affine does not enter.
        label_hash: The same of the label map.
        structures: What is known of each label value that occurs, of those that were asked for.
        affine_doubt: What the files say of the affine that cannot be all true; mostly empty.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    orientation: str
    tilt_degrees: float
    bare_affine: bool
    intensity_range: tuple[float, float]
    voxel_ml: float
    image_hash: str
    label_hash: str
    structures: dict[int, StructureFacts]
    affine_doubt: str = ""


def gather_facts(pair: LabelledVolume, *, values: Collection[int]) -> PairFacts:
    """Goes through a case once.

    Args:
        pair: Image and label map, which need not fit each other.
        values: Label values to describe; 0, the background, is left out.
    """
    image, label = pair.image, pair.label
    x, y, z = image.array.shape
    axes = nibabel.orientations.io_orientation(image.affine)[:, 0].astype(int)
    right, front, head = (image.spacing[list(axes).index(axis)] for axis in range(3))
    cosines = abs(image.affine[:3, :3] / np.asarray(image.spacing)).max(axis=0)
    return PairFacts(
        shape=(x, y, z),
        spacing=(right, front, head),
        orientation="".join(nibabel.aff2axcodes(image.affine)),
        tilt_degrees=math.degrees(math.acos(min(1.0, float(cosines.min())))),
        bare_affine=bool(np.array_equal(image.affine, np.eye(4))),
        intensity_range=(float(image.array.min()), float(image.array.max())),
        voxel_ml=abs(float(np.linalg.det(label.affine[:3, :3]))) / 1000,
        image_hash=voxel_hash(image, dtype="<f4"),
        label_hash=voxel_hash(label, dtype="<u2"),
        structures=describe_structures(label, values=values),
        affine_doubt=image.doubt or label.doubt,
    )


def voxel_hash(volume: Volume, *, dtype: str) -> str:
    """Hashes voxels in the order right, front, head, whatever the order they are stored in.

    Args:
        volume: The volume.
        dtype: Type that the voxels are brought to, so that equal values hash alike.

    Returns:
        128 bits as hexadecimal text. Shape and values enter, the affine does not.
    """
    upright = to_ras(volume).array
    digest = hashlib.blake2b(repr(upright.shape).encode(), digest_size=16)
    for index in range(upright.shape[2]):
        # A slice at a time: another order than the stored one would copy the whole volume.
        digest.update(np.ascontiguousarray(upright[:, :, index].T, dtype=dtype).data)
    return digest.hexdigest()


def describe_structures(label: Volume, *, values: Collection[int]) -> dict[int, StructureFacts]:
    """Counts and places the voxels of each value that occurs."""
    wanted = sorted(set(values) - {0})
    if not wanted:
        return {}
    # Files are stored first axis fastest: reversed, the array is walked as it lies in memory.
    array = label.array.T
    boxes = ndimage.find_objects(array, max_label=wanted[-1])
    found = {}
    for value in wanted:
        if (box := boxes[value - 1]) is not None:
            found[value] = _describe(array, value, box, label.affine)
    return found


def _describe(
    array: np.ndarray, value: int, box: tuple[slice, ...], affine: np.ndarray
) -> StructureFacts:
    mask = array[box] == value
    profiles = [np.count_nonzero(mask, axis=axes) for axes in ((1, 2), (0, 2), (0, 1))]
    voxels = int(profiles[0].sum())
    places = [np.arange(part.start, part.stop) for part in box]
    middle = [
        float(profile @ place) / voxels for profile, place in zip(profiles, places, strict=True)
    ]
    x, y, z = affine[:3, :3] @ np.array(middle[::-1]) + affine[:3, 3]
    across = 2 - int(abs(affine[0, :3]).argmax())  # the array is reversed
    variance = float(profiles[across] @ (places[across] - middle[across]) ** 2) / voxels
    return StructureFacts(
        voxels=voxels,
        centre=(float(x), float(y), float(z)),
        spread=variance**0.5 * float(np.linalg.norm(affine[:3, 2 - across])),
        at_face=any(
            part.start == 0 or part.stop == size
            for part, size in zip(box, array.shape, strict=True)
        ),
        runs=tuple(
            _runs(place[profile > 0])
            for profile, place in zip(profiles[::-1], places[::-1], strict=True)
        ),
    )


def _runs(indices: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Puts increasing indices together to runs without a gap."""
    parts = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    return tuple((int(part[0]), int(part[-1])) for part in parts)
