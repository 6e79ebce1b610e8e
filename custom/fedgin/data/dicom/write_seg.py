"""Writing a label map as a DICOM segmentation (SEG) of the series that it was predicted on."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import fedgin
from fedgin.data.dicom.backend import load_highdicom, load_pydicom
from fedgin.data.dicom.stream import read_data_set, reason
from fedgin.data.dicom.tags import items
from fedgin.errors import DataError, Problem
from fedgin.files import write_atomically

if TYPE_CHECKING:
    from fedgin.data.dicom.series import Series

_ANATOMICAL_STRUCTURE = ("91723000", "Anatomical Structure")
"""Category of all segments (PS3.16, CID 7150), and type of those without a code of their own."""
_CODES = {
    "liver": ("10200004", "Liver"),
    "spleen": ("78961009", "Spleen"),
    "kidney": ("64033007", "Kidney"),
    "pancreas": ("15776009", "Pancreas"),
    "gallbladder": ("28231008", "Gallbladder"),
    "heart": ("80891009", "Heart"),
}
"""SNOMED CT codes of the tasks' structures (PS3.16, annex L)."""
_SIDES = {"right": ("24028007", "Right"), "left": ("7771000", "Left")}
"""Codes of laterality (PS3.16, CID 244), which modify those of paired organs."""
SERIES_NUMBER = 9000
_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate"),
    *("StudyTime", "AccessionNumber", "ReferringPhysicianName"),
)
"""Elements of type 2: anonymisation removes them where the standard asks for empty ones."""


def write_seg(path: Path, *, series: Series, labels: np.ndarray, names: Mapping[int, str]) -> None:
    """Writes a binary segmentation with one segment for each name.

    The standard numbers segments from 1 without gaps: the first name, by value, becomes segment 1.
    Identifiers follow from series, labels and names: the same result is the same object.

    Args:
        path: The file to write; its folder must exist.
        series: The series that the labels lie on; patient and study are taken from its files.
        labels: Shape (columns, rows, slices) as the series' volume, integers; 0 is background.
        names: Name by label value, of every value that may occur.

    Raises:
        DataError: The files of the series lack what a segmentation must repeat of them.
        ValueError: Labels and series differ in shape, or a value has no name.
        OSError: The file cannot be written.
    """
    if labels.shape != series.volume.array.shape:
        raise ValueError(f"labels {labels.shape} do not fit a series {series.volume.array.shape}")
    unknown = sorted({int(value) for value in np.unique(labels) if value} - set(names))
    if unknown or not names:
        raise ValueError(f"every label value needs a name; without: {unknown}")
    values = sorted(names)
    table = np.zeros(max(max(values), int(labels.max(initial=0))) + 1, dtype=np.uint8)
    table[values] = np.arange(1, len(values) + 1)
    segments = np.empty((len(series.frames), *labels.shape[1::-1]), dtype=np.uint8)
    for place, number in enumerate(_file_order(series)):
        segments[number] = table[labels[..., place].T]
    sources = [_source(file, series) for file in series.files]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they quote the patient's name
            written = _segmentation(sources, segments, [names[value] for value in values], series)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        rule = "the images must have the elements that a segmentation repeats"
        mend = "export the images with their study and patient modules"
        raise DataError(Problem(str(series.files[0]), rule, reason(error), mend)) from None
    write_atomically(path, lambda file: written.save_as(file, enforce_file_format=True))


def _file_order(series: Series) -> list[int]:
    """Number of each slice among the sources: its frame in an enhanced image, or its own."""
    if len(series.files) == 1:
        return [frame.index for frame in series.frames]
    return list(range(len(series.frames)))


def structure_codes(name: str) -> list[tuple[str, str]]:
    """Returns the SNOMED CT code of a structure and, of one of a pair, that of its side.

    Args:
        name: A task's name, such as `kidney_right`; any other stands for some structure.

    Returns:
        Value and meaning of each code.
    """
    organ, _, side = name.rpartition("_")
    if organ in _CODES and side in _SIDES:
        return [_CODES[organ], _SIDES[side]]
    return [_CODES.get(name, _ANATOMICAL_STRUCTURE)]


def _source(file: Path, series: Series) -> Any:
    data = read_data_set(file)
    for keyword in _MAY_BE_EMPTY:
        if keyword not in data:
            setattr(data, keyword, "")
    groups = [
        *items(data, "SharedFunctionalGroupsSequence"),
        *items(data, "PerFrameFunctionalGroupsSequence"),
    ]
    measures = [each for group in groups for each in items(group, "PixelMeasuresSequence")]
    for holder in measures or [data]:
        if not holder.get("SliceThickness"):
            holder.SliceThickness = f"{series.volume.spacing[2]:.6g}"
    return data


def _segmentation(
    sources: list[Any], segments: np.ndarray, names: list[str], series: Series
) -> Any:
    highdicom = load_highdicom()
    uid = load_pydicom().uid.generate_uid
    content = hashlib.sha256(segments.tobytes()).hexdigest()
    identity = [series.uid, *names, content, fedgin.__version__]
    return highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=segments,
        segmentation_type="BINARY",
        segment_descriptions=[_described(number, name) for number, name in enumerate(names, 1)],
        series_instance_uid=uid(entropy_srcs=["fedgin series", *identity]),
        series_number=SERIES_NUMBER,
        sop_instance_uid=uid(entropy_srcs=["fedgin object", *identity]),
        instance_number=1,
        manufacturer="fedgin",
        manufacturer_model_name="fedgin",
        software_versions=fedgin.__version__,
        device_serial_number="none",
        content_label="SEGMENTATION",
        omit_empty_frames=bool(segments.any()),
    )


def _described(number: int, name: str) -> Any:
    from pydicom.sr.codedict import codes

    highdicom = load_highdicom()
    category, kind, *sides = (
        highdicom.sr.CodedConcept(value, "SCT", meaning)
        for value, meaning in (_ANATOMICAL_STRUCTURE, *structure_codes(name))
    )
    described = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type="AUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="fedgin",
            family=codes.DCM.ArtificialIntelligence,
            version=fedgin.__version__,
        ),
    )
    if sides:
        kind_item = described.SegmentedPropertyTypeCodeSequence[0]
        kind_item.SegmentedPropertyTypeModifierCodeSequence = sides
    return described
