"""Looking through a tree of folders for DICOM series and label files; only headers are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fedgin.confined import ConfinedFolder
from fedgin.data.adapters.base import UNREADABLE, LeftOut
from fedgin.data.dicom.instance import RTSTRUCT_CLASS, SEG_CLASSES, is_image_class
from fedgin.data.dicom.references import referenced_series
from fedgin.data.dicom.stream import read_data_set, reason, storage_class
from fedgin.data.dicom.tags import TagError, items, text, whole
from fedgin.data.dicom.walk import walk_tree
from fedgin.errors import DataError, Problem

_SUFFIXES = (".dcm", ".dicom", ".ima")
_SERIES_TAGS = ["SeriesInstanceUID", "Modality", "PatientID"]
_LABEL_TAGS = [
    *("ReferencedSeriesSequence", "SegmentSequence"),
    *("ReferencedFrameOfReferenceSequence", "StructureSetROISequence"),
]


@dataclass(frozen=True)
class SeriesFolder:
    """A folder that holds images.

    Attributes:
        folder: The folder.
        where: Its path below the root.
        uid: SeriesInstanceUID of its first image.
        modality: Such as "CT".
        patient: PatientID; may be empty.
    """

    folder: Path
    where: str
    uid: str
    modality: str
    patient: str


@dataclass(frozen=True)
class LabelFile:
    """A SEG or an RTSTRUCT.

    Attributes:
        path: The file.
        where: Its path below the root.
        series: SeriesInstanceUIDs that it refers to.
        names: Names of its segments or ROIs.
    """

    path: Path
    where: str
    series: frozenset[str]
    names: tuple[str, ...]


@dataclass
class DicomTree:
    """What lies below a root.

    Attributes:
        root: The root.
        series: Its series, by folder.
        labels: Its label files.
        left_out: Everything else; hidden files and folders, and DICOMDIR, are passed over by rule.
    """

    root: Path
    series: list[SeriesFolder] = field(default_factory=list)
    labels: list[LabelFile] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def leave_out(self, path: Path, reason: str) -> None:
        """Notes something that is neither a series nor a label file."""
        self.left_out.append(LeftOut(path.relative_to(self.root).as_posix(), reason))


def look_through(root: Path) -> DicomTree:
    """Finds all series and label files below a root.

    Of a folder's images the first is read; whether all are one series, the reader checks.

    Raises:
        DataError: There are too many folders.
    """
    tree = DicomTree(root)
    confined = ConfinedFolder(root)
    for folder in walk_tree(root):
        for link in folder.links:
            tree.leave_out(link, "a link to a folder")
        images = [path for path in folder.files if _take(tree, confined, path)]
        if images:
            try:
                tree.series.append(_series(images[0], folder.path, root))
            except DataError as error:
                found = error.problems[0].found
                tree.leave_out(images[0], f"{UNREADABLE}, its folder left out: {found}")
    return tree


def _take(tree: DicomTree, confined: ConfinedFolder, path: Path) -> bool:
    """Takes note of a file that is no image; returns whether it is one."""
    try:
        kind = storage_class(confined.found(path, where=str(path)))
        if kind is None:
            damaged = path.suffix.lower() in _SUFFIXES
            tree.leave_out(path, f"{UNREADABLE}: no DICOM in it" if damaged else "no DICOM file")
        elif kind in SEG_CLASSES or kind == RTSTRUCT_CLASS:
            tree.labels.append(_label(path, tree.root))
        elif is_image_class(kind):
            return True
        else:
            tree.leave_out(path, "DICOM that is neither an image nor a label file")
    except OSError as error:
        tree.leave_out(path, f"{UNREADABLE}: {reason(error)}")
    except DataError as error:
        tree.leave_out(path, f"{UNREADABLE}: {error.problems[0].found}")
    return False


def _series(path: Path, folder: Path, root: Path) -> SeriesFolder:
    header = read_data_set(path, tags=_SERIES_TAGS)
    try:
        return SeriesFolder(
            folder=folder,
            where=folder.relative_to(root).as_posix(),
            uid=text(header, "SeriesInstanceUID", needed=True),
            modality=text(header, "Modality"),
            patient=text(header, "PatientID"),
        )
    except TagError as error:
        raise DataError(Problem(str(path), *error.fault)) from None


def _label(path: Path, root: Path) -> LabelFile:
    header = read_data_set(path, tags=_LABEL_TAGS)
    try:
        segments = [
            text(item, "SegmentLabel")
            for item in items(header, "SegmentSequence")
            if whole(item, "SegmentNumber")  # 0 is the background of a label map
        ]
        rois = [text(item, "ROIName") for item in items(header, "StructureSetROISequence")]
        return LabelFile(
            path=path,
            where=path.relative_to(root).as_posix(),
            series=frozenset(referenced_series(header)),
            names=(*segments, *rois),
        )
    except TagError as error:
        raise DataError(Problem(str(path), *error.fault)) from None
