"""Folders of DICOM as a hospital exports them: a series in each, and a SEG or RTSTRUCT for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fedgin.data.adapters.base import FoundCase, FoundData
from fedgin.data.adapters.dicom_tree import DicomTree, LabelFile, SeriesFolder, look_through
from fedgin.data.adapters.segment_naming import name_segments
from fedgin.data.dicom.case_list import case_names
from fedgin.data.dicom.listing import quoted
from fedgin.errors import DataError, Problem


class DicomFolders:
    """Any tree of folders: label files find their series by what they refer to."""

    name = "dicom"
    title = "DICOM series with SEG or RTSTRUCT labels"
    source = "DICOM PS3.3, A.51 (segmentation) and A.19 (structure set)"
    layout: tuple[str, ...] = (
        "<any folders>/<series>/*.dcm (the images of one series)",
        "a SEG or RTSTRUCT file of each series, in its folder or in any other",
    )
    modalities = "CT, MR"
    form = "DICOM"

    def find(self, root: Path) -> FoundData:
        """Finds the series that have a label file; see `Adapter.find`.

        Structures are the segments that all label files have; see `name_segments`.

        Raises:
            DataError: As there; or no series has a label file.
        """
        if not root.is_dir():
            found = "a file" if root.exists() else "no such folder"
            raise DataError(Problem(str(root), self._rule, found, "correct the path"))
        tree = look_through(root)
        pairs = _paired(tree)
        if not pairs:
            found = f"{len(tree.series)} series and {len(tree.labels)} label files, no pair of them"
            reasons = Counter(left.reason for left in tree.left_out)
            found += "".join(f"; {count} x {reason}" for reason, count in reasons.most_common(5))
            mend = "name the folder above series and label files"
            raise DataError(Problem(str(root), self._rule, found, mend))
        patients, notes = _patients([one for one, _ in pairs], root)
        names = case_names([one.folder for one, _ in pairs], root)
        segment_names = tuple(label.names for _, label in pairs)
        naming, more_notes = name_segments(segment_names)
        cases = [
            FoundCase(
                name=name,
                patient=patient,
                modality="CT" if one.modality == "CT" else "MR",
                image=one.folder.relative_to(root).as_posix(),
                label=label.path.relative_to(root).as_posix(),
            )
            for name, patient, (one, label) in zip(names, patients, pairs, strict=True)
        ]
        return FoundData(
            cases=tuple(sorted(cases, key=lambda case: case.name)),
            form="dicom",
            labels=naming.values,
            left_out=tuple(tree.left_out),
            notes=(*notes, *more_notes),
            naming=naming,
            segment_names=segment_names,
        )

    @property
    def _rule(self) -> str:
        return f"the root of {self.name} must hold {'; '.join(self.layout)}"


def _paired(tree: DicomTree) -> list[tuple[SeriesFolder, LabelFile]]:
    """Gives each series its label file; what has no partner, or several, is left out."""
    pairs = []
    used: set[Path] = set()
    for one in tree.series:
        own = [
            label
            for label in tree.labels
            if one.uid in label.series or (not label.series and label.path.parent == one.folder)
        ]
        used |= {label.path for label in own}
        if one.modality not in ("CT", "MR"):
            reason = f"a series of modality {one.modality or 'none'}"
        elif not own:
            reason = "a series without SEG or RTSTRUCT"
        elif len(own) > 1:
            reason = f"a series with several label files: {quoted([p.path.name for p in own])}"
        else:
            pairs.append((one, own[0]))
            continue
        tree.leave_out(one.folder, reason)
    for label in tree.labels:
        if label.path not in used:
            tree.leave_out(label.path, "a label file without its series")
    return pairs


def _patients(series: Sequence[SeriesFolder], root: Path) -> tuple[list[str], list[str]]:
    """Takes patients from the headers or, where these say nothing, from the topmost folders."""
    from_headers = [one.patient for one in series]
    if all(from_headers) and (len(set(from_headers)) > 1 or len(series) == 1):
        return from_headers, []
    tops = [one.folder.relative_to(root).parts[:1] for one in series]
    note = (
        "The headers do not tell patients apart (PatientID is empty or the same everywhere): a "
        "folder directly below the root is taken for a patient."
    )
    return [top[0] if top else root.name for top in tops], [note]
