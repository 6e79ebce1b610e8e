"""A case in DICOM: a series' folder and its labels."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fedgin.confined import ConfinedFolder
from fedgin.data.dicom.listing import visible_names
from fedgin.data.dicom.naming import Naming
from fedgin.data.dicom.png_stack import png_files, read_png_stack
from fedgin.data.dicom.rtstruct import read_rtstruct
from fedgin.data.dicom.seg import read_named_seg
from fedgin.data.dicom.series import Series, read_series
from fedgin.data.hashing import FileHashes
from fedgin.data.volume import LabelledVolume, Volume
from fedgin.errors import DataError, Problem

LabelKind = Literal["seg", "rtstruct", "png"]


@dataclass(frozen=True)
class DicomCase:
    """An image series with its labels.

    Attributes:
        name: Name of the case.
        patient: Identifier of the patient.
        image: The series' folder.
        label: A SEG or RTSTRUCT file, or a folder of PNG files.
        kind: What the labels are.
        root: The data root, which no link may leave.
        modality: The site's modality, which the series must have; None where any will do.
        naming: What the site calls segments and ROIs; of no use for PNG files.
        fixed_split: The split that the data set itself puts the case in, if it does.
    """

    name: str
    patient: str
    image: Path
    label: Path
    kind: LabelKind
    root: Path
    modality: str | None
    naming: Naming | None = None
    fixed_split: str | None = None

    def content_key(self, hashes: FileHashes) -> str:
        """Returns the hashes of all files, and how the labels are read."""
        try:
            labels = png_files(self.label) if self.kind == "png" else [self.label]
            images = [self.image / name for name in visible_names(self.image)]
            contents = [
                hashes.of_all([self._as_content(file) for file in files if not file.is_dir()])
                for files in (images, labels)
            ]
        except (DataError, OSError):
            self.load()  # the reader names all that is missing or cannot be read
            raise
        return f"dicom {json.dumps([self.kind, self._naming(), contents])}"

    def _as_content(self, file: Path) -> tuple[str, Path]:
        """Names pair slices with PNG files; otherwise they say nothing of the content."""
        ConfinedFolder(self.root).found(file, where=str(file))
        return file.name if self.kind == "png" else "", file

    def load(self) -> LabelledVolume:
        """Reads the series and its labels."""
        try:
            series = read_series(self.image, within=self.root, whole_folder=self.kind == "png")
        except DataError as error:
            raise _named(self.name, [*error.problems, *self._label_missing()]) from None
        try:
            label = self._label(series)
        except DataError as error:
            raise _named(self.name, [*self._modality(series), *error.problems]) from None
        if problems := self._modality(series):
            raise _named(self.name, problems)
        return LabelledVolume(image=series.volume, label=label)

    def _naming(self) -> object:
        naming = self.naming
        if naming is None:
            return None
        segments = [[name, list(names)] for name, names in naming.segments.items()]
        return [segments, sorted(naming.others), sorted(naming.may_lack)]

    def _label(self, series: Series) -> Volume:
        if self.kind == "seg":
            return read_named_seg(self.label, series, naming=self.naming).volume
        if self.kind == "rtstruct":
            return read_rtstruct(self.label, series, naming=self.naming).volume
        return read_png_stack(self.label, series, within=self.root)

    def _modality(self, series: Series) -> list[Problem]:
        if self.modality in (None, series.modality):
            return []
        rule = f"the series' modality must be that of the site, {self.modality}"
        mend = "correct 'modality' in the site's file, or name another series"
        return [Problem(str(self.image), rule, f"Modality '{series.modality}'", mend)]

    def _label_missing(self) -> list[Problem]:
        """Tells a missing label file even where the images cannot be read."""
        if self.label.exists():
            return []
        rule, mend = "the file must exist", "correct the path in the site's file"
        return [Problem(str(self.label), rule, "no such file or folder", mend)]


def _named(case: str, problems: Iterable[Problem]) -> DataError:
    return DataError(dataclasses.replace(p, where=f"{case}: {p.where}") for p in problems)
