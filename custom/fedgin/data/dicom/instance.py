"""What an image file's header says of its pixels and of where they lie; no pixel is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fedgin.data.dicom.backend import load_pydicom
from fedgin.data.dicom.frames import Frame, read_frames
from fedgin.data.dicom.stream import MAX_HEADER_BYTES, opened, read_data_set
from fedgin.data.dicom.tags import Fault, TagError, number, syntax_of, text, texts, whole
from fedgin.errors import DataError, Problem

Value = TypeVar("Value")

MAX_EDGE = 8192
"""Rows or columns: twice the largest matrix of a scanner."""
DIFFERING = (
    "AcquisitionNumber",
    "EchoTime",
    "TemporalPositionIdentifier",
    "TriggerTime",
    "ImageType",
)
"""What tells images at one position apart: phases, echoes, time points."""
_TAGS = [
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "StudyInstanceUID"),
    *("FrameOfReferenceUID", "Modality", "PatientID", "ImageType", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel"),
    *("PhotometricInterpretation", "NumberOfFrames", "GantryDetectorTilt", "PixelSpacing"),
    *("ImageOrientationPatient", "ImagePositionPatient", "RescaleSlope", "RescaleIntercept"),
    *("ModalityLUTSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *DIFFERING,
]

_CLASSES = "1.2.840.10008.5.1.4.1.1."
SEG_CLASSES = (_CLASSES + "66.4", _CLASSES + "66.7")
RTSTRUCT_CLASS = _CLASSES + "481.3"
_NO_IMAGES = {
    **dict.fromkeys(SEG_CLASSES, "SEG"),
    RTSTRUCT_CLASS: "RTSTRUCT",
    _CLASSES + "66": "registration or raw data",
    _CLASSES + "67": "real world values",
    _CLASSES + "88.": "SR",
    _CLASSES + "11.": "PR",
    _CLASSES + "481.": "radiotherapy",
    _CLASSES + "104.": "document",
    _CLASSES + "9.": "curves",
}
"""Objects that accompany images, by the start of their class (PS3.4, annex B.5)."""
_OTHER_IMAGES = {
    **dict.fromkeys(("128", "128.1", "130"), "PET"),
    "20": "nuclear medicine",
    **dict.fromkeys(("3.1", "6.1", "6.2"), "ultrasound"),
    **dict.fromkeys(("1", "1.1", "1.1.1", "1.2", "1.2.1"), "radiograph"),
    **dict.fromkeys(("12.1", "12.1.1", "12.2", "12.2.1"), "angiography or fluoroscopy"),
}
"""Images that are never CT or MR, by the rest of their class."""


@dataclass(frozen=True)
class Instance:
    """An object's header, as far as reading voxels needs it.

    Attributes:
        path: The file.
        sop_class: What kind of object it is.
        sop_uid: Its identifier.
        series_uid: Identifier of its series.
        series_number: Number of its series, as a scanner shows it; may be empty.
        modality: Such as "CT" or "MR".
        patient: Identifier of the patient; may be empty.
        study: Identifier of its study.
        frame_of_reference: Identifier of the coordinate system; may be empty.
        shape: Rows and columns.
        bits: Bits of a sample in the file, and those in use.
        signed: Whether samples are signed.
        inverted: Whether large values are dark (MONOCHROME1).
        syntax: The transfer syntax: how pixels are encoded.
        tilt: Gantry tilt in degrees.
        localizer: Whether the image is a scout.
        differing: Values of `DIFFERING`, as text.
        frames: Its slices, in the order of the file.
        size: Bytes of the file.
        pixel_bytes: Bytes from the start of the pixel element to the end of the file.
    """

    path: Path
    sop_class: str
    sop_uid: str
    series_uid: str
    series_number: str
    modality: str
    patient: str
    study: str
    frame_of_reference: str
    shape: tuple[int, int]
    bits: tuple[int, int]
    signed: bool
    inverted: bool
    syntax: str
    tilt: float
    localizer: bool
    differing: tuple[str, ...]
    frames: tuple[Frame, ...]
    size: int
    pixel_bytes: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of an uncompressed frame."""
        return self.shape[0] * self.shape[1] * self.bits[0] // 8


@dataclass(frozen=True)
class Companion:
    """An object beside the images: a segmentation, contours, a report.

    Attributes:
        path: The file.
        sop_class: What kind of object it is.
    """

    path: Path
    sop_class: str


def is_image_class(sop_class: str) -> bool:
    """Tells images, by their class, from the objects that accompany them."""
    return not sop_class.startswith(tuple(_NO_IMAGES))


def companion_kind(sop_class: str) -> str:
    """Names what accompanies images, such as SEG or SR; empty for an image."""
    return next((kind for start, kind in _NO_IMAGES.items() if sop_class.startswith(start)), "")


def other_modality(sop_class: str) -> str:
    """Names what an image shows that is, by its class, never CT or MR; empty for others."""
    return _OTHER_IMAGES.get(sop_class.removeprefix(_CLASSES), "")


def is_localizer(path: Path) -> bool:
    """Tells whether an image's header calls it a scout.

    Raises:
        DataError: The file is unreadable.
    """
    try:
        return "LOCALIZER" in texts(read_data_set(path, tags=["ImageType"]), "ImageType")
    except TagError:
        return False


def read_instance(path: Path) -> Instance | Companion:
    """Reads a header.

    Raises:
        DataError: The file is unreadable, or an image that breaks rules; all are listed.
    """
    with opened(path, budget=MAX_HEADER_BYTES) as stream:
        header = load_pydicom().dcmread(stream, stop_before_pixels=True, specific_tags=_TAGS)
        size, left = stream.size, stream.size - stream.tell()
    values = _Values(header)
    sop_class = values.read(lambda: text(header, "SOPClassUID", needed=True), "")
    if not is_image_class(sop_class):
        return Companion(path, sop_class)
    instance = _instance(path, values, size=size, pixel_bytes=left)
    faults = values.faults or _content_faults(instance)
    if faults:
        raise DataError(Problem(str(path), *fault) for fault in faults)
    return instance


class _Values:
    """Reads a header's values and keeps what is wrong with them, so that no fault hides another."""

    def __init__(self, header: Any) -> None:
        self.header = header
        self.faults: list[Fault] = []

    def read(self, function: Callable[[], Value], instead: Value) -> Value:
        """Calls a function; where it finds a fault, another value stands in for its own."""
        try:
            return function()
        except TagError as error:
            self.faults.append(error.fault)
            return instead

    def text(self, keyword: str, *, needed: bool = False) -> str:
        """Reads an element as text."""
        return self.read(lambda: text(self.header, keyword, needed=needed), "")


def _instance(path: Path, values: _Values, *, size: int, pixel_bytes: int) -> Instance:
    header = values.header
    syntax = values.read(lambda: str(syntax_of(header)), "")
    shape = values.read(lambda: _shape(header), (0, 0))
    values.faults += _syntax_faults(syntax)
    return Instance(
        path=path,
        sop_class=values.text("SOPClassUID"),
        sop_uid=values.text("SOPInstanceUID", needed=True),
        series_uid=values.text("SeriesInstanceUID", needed=True),
        series_number=values.text("SeriesNumber"),
        modality=values.text("Modality", needed=True),
        patient=values.text("PatientID"),
        study=values.text("StudyInstanceUID"),
        frame_of_reference=values.text("FrameOfReferenceUID"),
        shape=shape,
        bits=values.read(lambda: _bits(header), (0, 0)),
        signed=values.read(lambda: whole(header, "PixelRepresentation"), 0) == 1,
        inverted=values.read(lambda: _grey(header), "") == "MONOCHROME1",
        syntax=syntax,
        tilt=values.read(lambda: number(header, "GantryDetectorTilt", default=0.0), 0.0),
        localizer=values.read(lambda: "LOCALIZER" in texts(header, "ImageType"), False),
        differing=values.read(lambda: tuple(",".join(texts(header, key)) for key in DIFFERING), ()),
        frames=values.read(lambda: read_frames(path, header), ()),
        size=size,
        pixel_bytes=pixel_bytes,
    )


def _shape(header: Any) -> tuple[int, int]:
    rows, columns = whole(header, "Rows"), whole(header, "Columns")
    if not (2 <= rows <= MAX_EDGE and 2 <= columns <= MAX_EDGE):
        rule = f"an image must have 2 to {MAX_EDGE} rows and columns"
        raise TagError(rule, f"{rows} rows, {columns} columns", "export the image again")
    return rows, columns


def _bits(header: Any) -> tuple[int, int]:
    allocated, stored = whole(header, "BitsAllocated"), whole(header, "BitsStored")
    high = whole(header, "HighBit", default=stored - 1)
    if allocated not in (8, 16, 32) or not 1 <= stored <= allocated or high != stored - 1:
        rule = "voxels must be integers of 8, 16 or 32 bits, the lowest bits in use"
        found = f"BitsAllocated {allocated}, BitsStored {stored}, HighBit {high}"
        raise TagError(rule, found)
    return allocated, stored


def _grey(header: Any) -> str:
    kind = text(header, "PhotometricInterpretation", needed=True)
    samples = whole(header, "SamplesPerPixel")
    if samples != 1 or kind not in ("MONOCHROME1", "MONOCHROME2"):
        rule = "an image must be grey, MONOCHROME1 or MONOCHROME2"
        mend = "choose the series of the scan itself, not a coloured or fused copy"
        raise TagError(rule, f"{kind} with {samples} samples per pixel", mend)
    return kind


def _syntax_faults(syntax: str) -> list[Fault]:
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    rule = "pixels must be uncompressed, or compressed in a way that a decoder is installed for"
    mend = "decompress the files, or install pylibjpeg, pylibjpeg-libjpeg and pylibjpeg-openjpeg"
    try:
        if get_decoder(UID(syntax)).is_available:
            return []
        found = f"transfer syntax {UID(syntax).name}, no decoder"
    except (NotImplementedError, ValueError):
        found = f"transfer syntax {UID(syntax).name or 'none'}"
    return [(rule, found, mend)]


def _content_faults(instance: Instance) -> list[Fault]:
    """Refuses an uncompressed file that cannot hold its frames, before any is read."""
    from pydicom.uid import UID

    need = instance.frame_bytes * len(instance.frames)
    if not UID(instance.syntax).is_compressed and instance.pixel_bytes < need:
        rule = "the file must hold the pixels that its header promises"
        found = f"{max(0, instance.pixel_bytes)} of {need} bytes"
        return [(rule, found, "copy or export the file again; it is cut off")]
    return []
