"""A site's cases in DICOM, as its file lists them."""

from __future__ import annotations

from pathlib import Path

from fedgin.confined import ConfinedFolder
from fedgin.data.dicom.case import DicomCase
from fedgin.data.dicom.naming import Naming
from fedgin.errors import DataError, Problem
from fedgin.sites.dicom_data import DicomData
from fedgin.sites.lookup import Site


def dicom_cases(folder: ConfinedFolder, dataset: DicomData, site: Site) -> list[DicomCase]:
    """Lists cases by the names of their series' folders, or by their paths where names repeat.

    Args:
        folder: The data root.
        dataset: What the site's file says of the data.
        site: The site.

    Raises:
        DataError: Paths leave the root, or are of the wrong kind; all are listed.
    """
    places: list[tuple[Path, Path]] = []
    problems: list[Problem] = []
    find_label = folder.folder if dataset.labels_as == "png" else folder.file
    for number, files in enumerate(dataset.cases):
        found: list[Path] = []
        for key, name, find in (
            ("image", files.image, folder.folder),
            ("label", files.label, find_label),
        ):
            try:
                found.append(find(name, where=f"{site.path}: key 'dataset.cases.{number}.{key}'"))
            except DataError as error:
                problems += error.problems
        if len(found) == 2:
            places.append((found[0], found[1]))
    if problems:
        raise DataError(problems)
    names = case_names([image for image, _ in places], folder.root)
    naming = None
    if dataset.segments is not None:
        naming = Naming(
            segments=dataset.names_by_structure,
            others=frozenset(dataset.other_segments),
            may_lack=frozenset(dataset.may_lack),
        )
    return [
        DicomCase(
            name=name,
            patient=files.patient or name,
            image=image,
            label=label,
            kind=dataset.labels_as,
            root=folder.root,
            modality=site.config.modality,
            naming=naming,
        )
        for name, (image, label), files in zip(names, places, dataset.cases, strict=True)
    ]


def case_names(images: list[Path], root: Path) -> list[str]:
    """Names series by their folders, or by their paths below the root where folders repeat."""
    names = [image.name for image in images]
    if len(set(names)) < len(names):
        names = [image.relative_to(root).as_posix() for image in images]
    return names
