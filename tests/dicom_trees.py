"""Small DICOM series and contours for the tests, written with pydicom alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    RTStructureSetStorage,
    generate_uid,
)

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
SHAPE = (9, 7, 6)
Edit = Callable[[Dataset, int], None]
Corners = list[tuple[float, float]]
Contour = tuple[float, Corners]


def uid(*words: object) -> str:
    """A UID that depends on the words only."""
    return str(generate_uid(entropy_srcs=[str(word) for word in words]))


def oblique(
    spacing: tuple[float, float, float] = (1.5, 2.0, 4.0),
    origin: tuple[float, float, float] = (31.25, -12.5, 77.0),
) -> np.ndarray:
    """A RAS affine that is turned about all axes, with stored axes right-handed in LPS."""
    x, y, z = np.radians([20.0, -15.0, 35.0])
    turn_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    turn_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    turn_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn_z @ turn_y @ turn_x * np.array(spacing)
    affine[:3, 3] = origin
    return LPS @ affine


def voxels(shape: tuple[int, int, int] = SHAPE, *, seed: int = 0) -> np.ndarray:
    """Stored values like those of a CT, all different along every axis."""
    return np.random.default_rng(seed).integers(-1000, 1500, shape).astype(np.int16)


def ds_text(value: float) -> str:
    """A decimal string of at most 16 characters."""
    return next(text for digits in range(16, 0, -1) if len(text := f"{value:.{digits}g}") <= 16)


def slice_data_set(
    array: np.ndarray,
    affine: np.ndarray,
    place: int,
    *,
    modality: str = "CT",
    series: str = "one",
    patient: str = "anna",
) -> Dataset:
    """The data set of one slice of a volume (x, y, z) with a RAS affine."""
    lps = LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
    data.SOPInstanceUID = uid(series, "slice", place)
    data.StudyInstanceUID = uid(patient, "study")
    data.SeriesInstanceUID = uid(series)
    data.FrameOfReferenceUID = uid(patient, "frame")
    data.SeriesNumber = 3
    data.InstanceNumber = place + 1
    data.Modality = modality
    data.PatientID = patient
    data.PatientName = patient
    data.PatientBirthDate = data.PatientSex = data.AccessionNumber = data.StudyID = ""
    data.StudyDate = data.StudyTime = data.ReferringPhysicianName = ""
    data.Manufacturer = "made up"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.Rows, data.Columns = array.shape[1], array.shape[0]
    data.PixelSpacing = [ds_text(spacing[1]), ds_text(spacing[0])]
    data.ImageOrientationPatient = [
        ds_text(value) for axis in (0, 1) for value in lps[:3, axis] / spacing[axis]
    ]
    data.ImagePositionPatient = [ds_text(value) for value in lps[:3, 2] * place + lps[:3, 3]]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation = 1
    if modality == "CT":
        data.RescaleSlope, data.RescaleIntercept = "1", "0"
    data.PixelData = np.ascontiguousarray(array[..., place].T).astype("<i2").tobytes()
    return data


def write_series(
    folder: Path,
    array: np.ndarray,
    affine: np.ndarray,
    *,
    name: Callable[[int], str] = lambda place: f"IM{place:04d}.dcm",
    edit: Edit = lambda data, place: None,
    **facts: Any,
) -> list[Path]:
    """Writes a volume as one file for each slice.

    Args:
        folder: Is made.
        array: Stored values, shape (x, y, z): columns, rows, slices.
        affine: Voxel indices to RAS mm.
        name: File name of a slice; by default they rise with the third axis.
        edit: Changes a slice's data set before it is written.
        facts: `modality`, `series` and `patient`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for place in range(array.shape[2]):
        data = slice_data_set(array, affine, place, **facts)
        edit(data, place)
        paths.append(folder / name(place))
        save(data, paths[-1])
    return paths


def save(data: Dataset, path: Path) -> Path:
    """Writes a data set as a DICOM file."""
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.save_as(path, enforce_file_format=True)
    return path


def enhanced(array: np.ndarray, affine: np.ndarray, order: list[int]) -> Dataset:
    """An enhanced MR whose frames come in an order of their own, scaled each by itself."""
    whole = slice_data_set(array, affine, 0, modality="MR")
    whole.SOPClassUID = EnhancedMRImageStorage
    whole.NumberOfFrames = len(order)
    groups = []
    for place in order:
        single = slice_data_set(array, affine, place)
        position, scale = Dataset(), Dataset()
        position.ImagePositionPatient = single.ImagePositionPatient
        scale.RescaleSlope, scale.RescaleIntercept = str(place + 1), "2"
        group = Dataset()
        group.PlanePositionSequence = Sequence([position])
        group.PixelValueTransformationSequence = Sequence([scale])
        groups.append(group)
    turned, measures, shared = Dataset(), Dataset(), Dataset()
    turned.ImageOrientationPatient = whole.ImageOrientationPatient
    measures.PixelSpacing = whole.PixelSpacing
    shared.PlaneOrientationSequence = Sequence([turned])
    shared.PixelMeasuresSequence = Sequence([measures])
    whole.PerFrameFunctionalGroupsSequence = Sequence(groups)
    whole.SharedFunctionalGroupsSequence = Sequence([shared])
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(whole, keyword)
    whole.PixelData = np.ascontiguousarray(array[..., order].T).astype("<i2").tobytes()
    return whole


def block(low: float, high: float) -> Corners:
    """A square whose edges lie between pixels."""
    return [(low - 0.5, low - 0.5), (high - 0.5, low - 0.5), (high - 0.5, high - 0.5),
            (low - 0.5, high - 0.5)]  # fmt: skip


def contour_item(points: np.ndarray, kind: str = "CLOSED_PLANAR") -> Dataset:
    item = Dataset()
    item.ContourGeometricType = kind
    item.NumberOfContourPoints = len(points)
    item.ContourData = [f"{value:.8g}" for value in points.ravel()]
    return item


def lps(contour: Contour) -> np.ndarray:
    place, corners = contour
    points = np.array([(column, row, place, 1) for column, row in corners])
    return (points @ oblique().T)[:, :3] * (-1, -1, 1)


def structure_set(rois: dict[str, list[Contour]], *, series: str = "one") -> Dataset:
    """A structure set whose ROIs are numbered from 1, drawn in the indices of `oblique()`."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = RTStructureSetStorage, uid("contours")
    data.SeriesInstanceUID, data.Modality = uid("contours"), "RTSTRUCT"
    named, drawn = [], []
    for number, (name, contours) in enumerate(rois.items(), start=1):
        roi, contour = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, name
        contour.ReferencedROINumber = number
        contour.ContourSequence = Sequence([contour_item(lps(each)) for each in contours])
        named.append(roi)
        drawn.append(contour)
    data.StructureSetROISequence, data.ROIContourSequence = Sequence(named), Sequence(drawn)
    images, study, frame = Dataset(), Dataset(), Dataset()
    images.SeriesInstanceUID = uid(series)
    study.RTReferencedSeriesSequence = Sequence([images])
    frame.FrameOfReferenceUID = uid("anna", "frame")
    frame.RTReferencedStudySequence = Sequence([study])
    data.ReferencedFrameOfReferenceSequence = Sequence([frame])
    return data
