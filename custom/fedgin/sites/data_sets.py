"""The parts of a site's file that say: one file for each structure, or a data set as it unzips."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from fedgin.config import StrictModel, nearest
from fedgin.confined import name_fault
from fedgin.sites.dicom_data import SegmentNames
from fedgin.sites.rooted import RootedData


class CaseMasks(StrictModel):
    """One case whose structures have a file each.

    Attributes:
        image: Path of the image, below the data root.
        masks: Folder of its masks, below the data root: `<structure>.nii.gz` or `.nii`, 0 outside
            the structure and one other value inside.
        patient: Patient identifier; by default as for `CaseFiles`.
    """

    image: str
    masks: str
    patient: str | None = None


class MaskData(RootedData):
    """Images with a folder of masks each, listed one by one.

    Attributes:
        kind: Always `masks`.
        root: Data root; `${NAME}` stands for an environment variable.
        structures: Names of the masks that are read, in the order of their label values 1, 2, ...;
            every case must have all of them, an empty one where the structure is not in the image.
        cases: The images and their folders.
    """

    kind: Literal["masks"]
    structures: tuple[str, ...]
    cases: tuple[CaseMasks, ...]

    @field_validator("structures")
    @classmethod
    def _file_names(cls, structures: tuple[str, ...]) -> tuple[str, ...]:
        if not structures:
            raise ValueError("name at least one structure")
        for name in structures:
            if not name or "/" in name or name_fault(name) or name.startswith("."):
                raise ValueError(f"'{name}' is no file name of a mask without its suffix")
        if len({name.casefold() for name in structures}) < len(structures):
            raise ValueError("each structure may stand once")
        return structures

    @property
    def label_values(self) -> dict[str, int]:
        """The label value of each structure."""
        return {name: value for value, name in enumerate(self.structures, start=1)}


class AdapterData(RootedData):
    """A data set of the literature as it unzips; its cases are found at every start.

    Label values and split are the data set's own, unless the site's file gives others.

    Attributes:
        kind: Always `adapter`.
        name: One of `fedgin data list`.
        root: Data root; `${NAME}` stands for an environment variable.
        segments: Names of segments or ROIs by structure, one name or a list, where the names in
            the label files do not say what they mean.
        may_lack: Structures that a label file may lack, because a patient does.
    """

    kind: Literal["adapter"]
    name: str
    segments: dict[str, SegmentNames] = Field(default_factory=dict)
    may_lack: tuple[str, ...] = ()

    @property
    def names_by_structure(self) -> dict[str, tuple[str, ...]]:
        """Names of segments or ROIs by structure."""
        return {
            key: (names,) if isinstance(names, str) else names
            for key, names in self.segments.items()
        }

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        from fedgin.data.adapters.registry import adapter_names

        if name not in adapter_names():
            raise ValueError(f"the data set must be known ({nearest(name, adapter_names())})")
        return name
