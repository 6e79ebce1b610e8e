"""What an adapter finds in a data set: cases, their labels and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from fedgin.data.dicom.naming import Naming

Modality = Literal["CT", "MR"]
Split = Literal["train", "validation", "test"]
LabelValue = int | tuple[int, ...]


UNREADABLE = "unreadable"
"""How the reason begins where a file is damaged."""


@dataclass(frozen=True)
class FoundCase:
    """A labelled scan of a data set.

    Attributes:
        name: Name, unique in the data set.
        patient: Identifier of the patient: scans of one patient share it.
        modality: "CT" or "MR"; None where the data set does not say, as a plain folder.
        image: Path below the root, with `/`: a file, or a folder that holds one DICOM series.
        label: Path below the root: a file, or a folder of one file for each structure or slice.
        split: The split that the data set itself puts the patient in; None where it has none.
    """

    name: str
    patient: str
    modality: Modality | None
    image: str
    label: str
    split: Split | None = None


@dataclass(frozen=True)
class LeftOut:
    """Something in the data set that is no case, and why: nothing is passed over silently.

    Attributes:
        path: Path below the root.
        reason: Such as "an image without a label file".
    """

    path: str
    reason: str

    @property
    def unreadable(self) -> bool:
        """Whether it is something that may have been a case's, and is damaged."""
        return self.reason.startswith(UNREADABLE)


@dataclass(frozen=True)
class FoundData:
    """All that an adapter finds below a root.

    Attributes:
        cases: The labelled scans, sorted by name; one modality or both.
        form: How image and label of every case are stored.
        labels: Label values by structure name, in the task's names where a structure has one.
        other_labels: Values that may occur and are background for every task.
        left_out: What is no case, and why.
        notes: What a reader of the site's file should know of the data set, a sentence each.
        naming: Names of segments or ROIs by structure, where DICOM label files have such.
        segment_names: These names as each label file has them.
        ignored: Values that mean "not annotated" to the data set.
    """

    cases: tuple[FoundCase, ...]
    form: Literal["nifti", "masks", "dicom"]
    labels: Mapping[str, LabelValue]
    other_labels: tuple[int, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    naming: Naming | None = None
    segment_names: tuple[tuple[str, ...], ...] = ()
    ignored: tuple[int, ...] = ()


class Adapter(Protocol):
    """Knows one data set's layout and label values.

    Attributes:
        name: The name that commands and site files use, such as `amos22`.
        title: The data set's full name.
        source: Where its layout and label values are documented: an address or a citation.
        modalities: Such as "CT" or "CT, MR", for people to read.
        form: How labels are stored, for people to read: "label maps" or "masks".
        layout: What it expects to see below the root, a line for each path.
    """

    name: str
    title: str
    source: str
    modalities: str
    form: str
    layout: tuple[str, ...]

    def find(self, root: Path) -> FoundData:
        """Finds the cases below a root. No voxel is read and nothing is written.

        Args:
            root: The folder as the data set unzips; symbolic links that leave it are refused.

        Raises:
            DataError: The root is not that of such a data set: what was expected is named.
        """
