"""Cases in DICOM that an adapter found, such that they can be loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fedgin.data.adapters.base import FoundCase, FoundData
from fedgin.data.dicom.case import DicomCase, LabelKind
from fedgin.data.dicom.instance import RTSTRUCT_CLASS
from fedgin.data.dicom.stream import storage_class


def found_dicom_cases(
    found: FoundData, chosen: Sequence[FoundCase], *, root: Path, own_split: bool
) -> list[DicomCase]:
    """Turns found cases into ones that can be loaded.

    Args:
        found: The data set, of form "dicom".
        chosen: Those of its cases that are wanted.
        root: Its root.
        own_split: Whether the cases keep the split that the data set puts them in.
    """
    return [
        DicomCase(
            name=case.name,
            patient=case.patient,
            image=root / case.image,
            label=root / case.label,
            kind=label_kind(root / case.label),
            root=root,
            modality=case.modality,
            naming=found.naming,
            fixed_split=case.split if own_split else None,
        )
        for case in chosen
    ]


def label_kind(path: Path) -> LabelKind:
    """Tells what labels are: a folder holds PNG files; a file that cannot be told is a SEG."""
    if path.is_dir():
        return "png"
    try:
        return "rtstruct" if storage_class(path) == RTSTRUCT_CLASS else "seg"
    except OSError:
        return "seg"  # whose reader says what is wrong with it
