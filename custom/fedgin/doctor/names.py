"""Every text of a site's data that may name a patient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fedgin.config import read_mapping
from fedgin.confined import confined_path
from fedgin.data.sources import DATALIST_SPLITS, Case, DicomCase, FileCase, MaskCase
from fedgin.documents import CONFIGURATION, parse_json
from fedgin.errors import FedginError
from fedgin.files import read_bounded
from fedgin.sites.data_sets import AdapterData, MaskData
from fedgin.sites.dicom_data import DicomData
from fedgin.sites.lookup import Site
from fedgin.sites.schema import DatalistData, GlobbedData, ListedData
from fedgin.sites.splits import PatientSplit

FilesOnDisk = ListedData | GlobbedData | DatalistData | MaskData | DicomData | AdapterData
SPLIT_KEYS = ("train", "validation", "test")


def names_in_file(path: Path) -> set[str]:
    """Collects the names that a site's file itself lists, whether or not the file is sound."""
    try:
        content = read_mapping(path)
    except FedginError:
        return set()
    dataset = content.get("dataset")
    split = content.get("split")
    listed = dataset.get("cases") if isinstance(dataset, dict) else None
    dealt = [split.get(key) for key in SPLIT_KEYS] if isinstance(split, dict) else []
    excluded = dataset.get("exclude") if isinstance(dataset, dict) else None
    texts = set(_leaves([listed, excluded, dealt]))
    return texts | _parts(texts)


def names_of_cases(site: Site, cases: Iterable[Case]) -> set[str]:
    """Collects the names that a site's cases, files and lists give to patients.

    Args:
        site: The site.
        cases: Its cases, where they could be listed; without them the folders are looked through.
    """
    dataset = site.config.dataset
    texts: set[str] = set()
    for case in cases:
        texts |= {case.name, case.patient}
        if isinstance(case, (FileCase, DicomCase)):
            texts |= {str(case.image), str(case.label)}
        elif isinstance(case, MaskCase):
            texts |= {str(case.image), str(case.masks)}
    if isinstance(site.config.split, PatientSplit):
        split = site.config.split
        texts |= {*split.train, *split.validation, *split.test}
    if isinstance(dataset, FilesOnDisk):
        root = Path(dataset.root).expanduser()
        files = set(_files(root, dataset))
        texts |= files
        texts |= {Path(text).relative_to(root).as_posix() for text in texts if _below(text, root)}
    return texts | _parts(texts, root=_root(site))


def _files(root: Path, dataset: FilesOnDisk) -> Iterator[str]:
    if isinstance(dataset, (ListedData, DicomData)):
        for entry in dataset.cases:
            yield from (entry.image, entry.label, entry.patient or "")
    elif isinstance(dataset, MaskData):
        for masked in dataset.cases:
            yield from (masked.image, masked.masks, masked.patient or "")
    elif isinstance(dataset, AdapterData):
        # Deeper lie masks only, which are called as their structures.
        for pattern in ("*", "*/*"):
            yield from (str(path) for path in root.glob(pattern))
    elif isinstance(dataset, GlobbedData):
        for pattern in (dataset.images, dataset.labels):
            yield from (str(path) for path in root.glob(pattern))
    else:
        try:
            file = confined_path(root, dataset.file, where="dataset.file")
            content = parse_json(read_bounded(file, limit=CONFIGURATION.size))
        except (OSError, ValueError, FedginError):
            return
        if isinstance(content, dict):
            yield from _leaves([content.get(key) for key in DATALIST_SPLITS])


def _root(site: Site) -> Path | None:
    root = getattr(site.config.dataset, "root", None)
    return None if root is None else Path(root).expanduser()


def _below(text: str, root: Path) -> bool:
    return Path(text).is_absolute() and Path(text).is_relative_to(root)


def _leaves(value: Any) -> Iterator[str]:
    """Lists the texts and numbers in nested lists and mappings."""
    if isinstance(value, dict):
        for below in value.values():
            yield from _leaves(below)
    elif isinstance(value, list):
        for below in value:
            yield from _leaves(below)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield str(value)


def _parts(texts: Iterable[str], *, root: Path | None = None) -> set[str]:
    """Returns the folders, file names and stems in paths; those above the data root left out."""
    parts: set[str] = set()
    for text in texts:
        path = Path(text)
        if root is not None and _below(text, root):
            path = path.relative_to(root)
        elif path.is_absolute():
            continue
        for part in path.parts:
            parts |= {part, part.split(".nii")[0], part.split(".")[0]}
    return parts
