"""CHAOS: abdominal CT and MR as DICOM series, with labels as one PNG file for each slice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from fedgin.confined import ConfinedFolder
from fedgin.data.adapters.base import FoundCase, FoundData, LabelValue, LeftOut, Modality
from fedgin.data.dicom.png_stack import natural_key
from fedgin.errors import DataError, Problem

_TRAINING, _TEST = "Train_Sets", "Test_Sets"
_IMAGES, _LABELS = "DICOM_anon", "Ground"
_NEAR = 100
"""Folders in which a better root is looked for."""

MR_LABELS: Mapping[str, LabelValue] = MappingProxyType(
    {
        "liver": tuple(range(55, 71)),
        "kidney_right": tuple(range(110, 136)),
        "kidney_left": tuple(range(175, 201)),
        "spleen": tuple(range(240, 256)),
    }
)
"""The documented ranges of grey; the files hold 63, 126, 189 and 252."""
CT_LABELS: Mapping[str, LabelValue] = MappingProxyType({"liver": (1, 255)})
"""White on black, of one bit or of eight."""


class _Chaos:
    """What both modalities share.

    They are two data sets: a CT patient and an MR patient of one number are different people, and
    in CT only the liver is labelled, so that a site of both would call CT spleens background.
    """

    name: str
    title: str
    source = "https://chaos.grand-challenge.org/Data/; https://zenodo.org/records/3431873"
    layout: tuple[str, ...]
    modalities: str
    form = "DICOM, PNG labels"
    modality: Modality
    labels: Mapping[str, LabelValue]

    def find(self, root: Path) -> FoundData:
        """Finds the labelled scans of the modality; see `Adapter.find`.

        Raises:
            DataError: As there.
        """
        if not _is_root(root, self.modality):
            raise _other_root(root, self)
        search = _Search(ConfinedFolder(root))
        patients = root / _TRAINING / self.modality
        for patient in sorted(patients.iterdir(), key=natural_key):
            path = f"{_TRAINING}/{self.modality}/{patient.name}"
            if patient.name.startswith("."):
                search.leave_out(path, "a hidden file or folder")
            elif not patient.is_dir():
                search.leave_out(path, "no folder of a patient")
            else:
                self._patient(search, patient, path)
        if (root / _TEST / self.modality).is_dir():
            reason = "test scans, whose labels are not public"
            search.leave_out(f"{_TEST}/{self.modality}", reason)
        return FoundData(
            cases=tuple(sorted(search.cases, key=lambda case: case.name)),
            form="dicom",
            labels=self.labels,
            left_out=tuple(search.left_out),
            notes=self._notes(),
        )

    def _patient(self, search: _Search, folder: Path, path: str) -> None:
        for name, images, labels in self._scans(folder):
            search.add(
                f"{self.modality}-{folder.name}{name}",
                patient=f"{self.modality}-{folder.name}",
                modality=self.modality,
                image=f"{path}/{images}",
                label=f"{path}/{labels}",
            )

    def _scans(self, folder: Path) -> Iterator[tuple[str, str, str]]:
        """Yields the end of the name, the folder of images and that of labels of each scan."""
        raise NotImplementedError

    def _notes(self) -> tuple[str, ...]:
        return (
            "PNG files belong to slices of the same name or, where names differ, of the same "
            "place in the order of names; slices are then sorted by position.",
        )


class ChaosCt(_Chaos):
    """CT of 20 potential liver donors; the liver."""

    name = "chaos_ct"
    title = "CHAOS, CT"
    layout: tuple[str, ...] = (
        "Train_Sets/CT/1/DICOM_anon/i0000,0000b.dcm",
        "Train_Sets/CT/1/Ground/liver_GT_000.png",
    )
    modalities = "CT"
    modality: Modality = "CT"
    labels = CT_LABELS

    def _scans(self, folder: Path) -> Iterator[tuple[str, str, str]]:
        yield "", _IMAGES, _LABELS


class ChaosMr(_Chaos):
    """MR of 20 patients, T1 in and out of phase and T2; liver, kidneys and spleen."""

    name = "chaos_mr"
    title = "CHAOS, MR (T1-DUAL and T2-SPIR)"
    layout: tuple[str, ...] = (
        "Train_Sets/MR/1/T2SPIR/DICOM_anon/IMG-0002-00001.dcm",
        "Train_Sets/MR/1/T2SPIR/Ground/IMG-0002-00001.png",
        "Train_Sets/MR/1/T1DUAL/DICOM_anon/InPhase/IMG-0004-00002.dcm",
        "Train_Sets/MR/1/T1DUAL/DICOM_anon/OutPhase/IMG-0004-00001.dcm",
        "Train_Sets/MR/1/T1DUAL/Ground/IMG-0004-00002.png (for both)",
    )
    modalities = "MR"
    modality: Modality = "MR"
    labels = MR_LABELS

    def _scans(self, folder: Path) -> Iterator[tuple[str, str, str]]:
        yield "-T1-in", f"T1DUAL/{_IMAGES}/InPhase", f"T1DUAL/{_LABELS}"
        yield "-T1-out", f"T1DUAL/{_IMAGES}/OutPhase", f"T1DUAL/{_LABELS}"
        yield "-T2", f"T2SPIR/{_IMAGES}", f"T2SPIR/{_LABELS}"

    def _notes(self) -> tuple[str, ...]:
        phases = (
            "T1 in phase and out of phase are two cases of one patient and share their labels; "
            "T2 is a third, with labels of its own."
        )
        return (phases, *super()._notes())


@dataclass
class _Search:
    """Scans as they are found, and what is none."""

    folder: ConfinedFolder
    cases: list[FoundCase] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def leave_out(self, path: str, reason: str) -> None:
        """Notes something that is no case."""
        self.left_out.append(LeftOut(path, reason))

    def add(self, name: str, *, patient: str, modality: Modality, image: str, label: str) -> None:
        """Takes a scan whose folders are both there and within the root."""
        for path, reason in (
            (image, "no folder of images"),
            (label, "a scan without a folder of labels"),
        ):
            place = self.folder.root / path
            if not place.is_dir():
                self.leave_out(path, reason)
                return
            try:
                self.folder.found(place, where=path, kind="folder")
            except DataError as error:
                self.leave_out(path, error.problems[0].found)
                return
        self.cases.append(FoundCase(name, patient, modality, image, label))


def _is_root(folder: Path, modality: str) -> bool:
    return (folder / _TRAINING / modality).is_dir()


def _other_root(root: Path, adapter: _Chaos) -> DataError:
    rule = f"the root of {adapter.name} must hold {'; '.join(adapter.layout)}"
    if not root.is_dir():
        found = "a file" if root.exists() else "no such folder"
        return DataError(Problem(str(root), rule, found, "correct the path or mount the data"))
    names = sorted(path.name for path in root.iterdir())
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    mend = "name the folder that CHAOS_Train_Sets.zip was unpacked into"
    below = [path for path in sorted(root.iterdir())[:_NEAR] if path.is_dir()]
    parents = list(root.absolute().parents)[:2]
    for candidate in (*below, *parents):
        if _is_root(candidate, adapter.modality):
            mend = f"name {candidate} instead"
            break
    return DataError(Problem(str(root), rule, shown or "an empty folder", mend))
