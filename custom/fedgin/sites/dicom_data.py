"""The part of a site's file that says: DICOM series with their labels."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from fedgin.config import StrictModel
from fedgin.sites.rooted import RootedData

SegmentNames = str | tuple[str, ...]


class CaseSeries(StrictModel):
    """One case: an image series, its labels and whose they are.

    Attributes:
        image: Folder of the series, below the data root.
        label: A SEG or RTSTRUCT file, or a folder of PNG files, below the data root.
        patient: Patient identifier; by default the folder's name, or its path below the root where
            names repeat.
    """

    image: str
    label: str
    patient: str | None = None


class DicomData(RootedData):
    """DICOM series with their labels, listed one by one.

    Attributes:
        kind: Always `dicom`.
        root: Data root; `${NAME}` stands for an environment variable.
        cases: The series and their labels.
        labels_as: What the labels are: a DICOM segmentation, contours, or one PNG for each slice.
        segments: For `seg` and `rtstruct`: names of segments or ROIs by structure, one name or a
            list, as the files have them; those of one structure are united. The structures'
            label values are 1, 2, ... in this order, and the file has no `labels`.
        other_segments: Names that occur in the files and are background for every task.
        may_lack: Structures of `segments` that a file may lack, because a patient does.
    """

    kind: Literal["dicom"]
    cases: tuple[CaseSeries, ...]
    labels_as: Literal["seg", "rtstruct", "png"]
    segments: dict[str, SegmentNames] | None = None
    other_segments: tuple[str, ...] = ()
    may_lack: tuple[str, ...] = ()

    @property
    def names_by_structure(self) -> dict[str, tuple[str, ...]]:
        """Names of segments or ROIs by structure."""
        return {
            key: (names,) if isinstance(names, str) else names
            for key, names in (self.segments or {}).items()
        }

    @property
    def label_values(self) -> dict[str, int] | None:
        """The label value of each structure; None for PNG files, whose values are greys."""
        if self.segments is None:
            return None
        return {name: value for value, name in enumerate(self.segments, start=1)}

    @model_validator(mode="after")
    def _segments_make_sense(self) -> DicomData:
        if (self.labels_as == "png") != (self.segments is None):
            raise ValueError("segments is required for seg and rtstruct, and only there")
        owner = dict.fromkeys(self.other_segments, "other_segments")
        for key, names in self.names_by_structure.items():
            if not names:
                raise ValueError(f"'{key}' needs at least one name")
            for name in names:
                if owner.setdefault(name, key) != key:
                    raise ValueError(f"'{name}' stands for both '{owner[name]}' and '{key}'")
        if lost := sorted(set(self.may_lack) - set(self.segments or {})):
            raise ValueError(f"may_lack lists structures of 'segments' only, not {lost}")
        return self
