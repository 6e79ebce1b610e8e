"""Preparing a site's volumes: read, checked, brought to the task's grid and scale, cached."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import IO, Any

import numpy as np

from fedgin.data.cache import CacheEntry, VolumeCache
from fedgin.data.checks import check_pair, check_split, summarise_pair
from fedgin.data.labels import LabelMap, build_label_map
from fedgin.data.preprocess import check_resampled, normalise, resample, to_ras
from fedgin.data.slab import slab_bounds
from fedgin.data.sources import Case, list_cases
from fedgin.data.split import SPLITS, split_cases
from fedgin.data.volume import LabelledVolume
from fedgin.errors import ConfigError, DataError, FedginError, Problem
from fedgin.seeding import numpy_generator
from fedgin.settings import ResolvedSettings
from fedgin.sites.lookup import Site
from fedgin.sites.pseudonyms import patient_hash, site_secret
from fedgin.sites.schema import PhantomData, SlabSplit

logger = logging.getLogger(__name__)

PREPARATION_VERSION = 1
FOREGROUND_SAMPLES = 2000


@dataclass(frozen=True)
class PreparedCase:
    """A case on the task's grid, as memory-mapped arrays.

    Attributes:
        name: Name of the case.
        patient: Identifier of the patient.
        site: Name of the site.
        modality: "CT" or "MR".
        image: Shape (Z, Y, X), float16, normalised; z runs to the head, y to the front, x to
            the patient's right.
        label: Shape (Z, Y, X), uint8 class indices.
        foreground: Shape (N, 4), int32: class, z, y, x of sampled voxels, at most
            `FOREGROUND_SAMPLES` per class.
        spacing: mm along z, y, x.
        not_annotated: Classes of the task that the label does not show, though they may be there.
        code: Hash that stands for the patient wherever it may be seen by others.
    """

    name: str
    patient: str
    site: str
    modality: str
    image: np.ndarray
    label: np.ndarray
    foreground: np.ndarray
    spacing: tuple[float, float, float]
    not_annotated: tuple[str, ...] = ()
    code: str = ""


@dataclass(frozen=True)
class PreparedSite:
    """A site's cases by split, and what was counted on the way.

    Attributes:
        site: The site's file.
        splits: Cases under "train", "validation" and "test".
        without_foreground: Names of the cases that hold no structure of the task.
        prepared: Number of volumes prepared now; the others came from the cache.
        seconds: Wall time of the preparation.
        not_annotated: Classes of the task that the site does not annotate.
        lease: Keeps the cache from being purged while the cases are in use.
    """

    site: Site
    splits: Mapping[str, list[PreparedCase]]
    without_foreground: tuple[str, ...]
    prepared: int
    seconds: float
    not_annotated: tuple[str, ...] = ()
    lease: IO[bytes] | None = field(default=None, repr=False, compare=False)

    @property
    def n_training_slices(self) -> int:
        """Axial slices to train on: the site's weight in federated averaging."""
        return sum(case.image.shape[0] for case in self.splits["train"])


def prepare_site(
    site: Site, settings: ResolvedSettings, *, partial: bool = False, trains: bool = True
) -> PreparedSite:
    """Prepares all cases of a site, or opens them where they were prepared before.

    Args:
        site: The site's file.
        settings: Settings of the run.
        partial: Whether the site may lack structures of the task, as one that only tests may.
        trains: Whether the site must have cases to train on.

    Raises:
        ConfigError: The site's file does not fit the task.
        DataError: Volumes break rules; the problems of all volumes are listed together.
    """
    start = time.perf_counter()
    secret = site_secret(site)
    label_map = site_label_map(site, settings, partial=partial)
    cases = list_cases(site, settings.task)
    cache = VolumeCache(site.config.cache)
    lease = cache.lease()
    entries, prepared, problems = _prepare_all(site, settings, cases, label_map, cache)
    try:
        splits = split_cases(site, cases)
    except ConfigError as error:
        raise ConfigError([*error.problems, *problems]) from None
    if not isinstance(site.config.split, SlabSplit):
        problems += check_split(
            {name: [(c.name, c.patient) for c in dealt] for name, dealt in splits.items()},
            training="train" if trains else None,
        )
    if problems:
        raise DataError(problems)
    cache.enforce_quota(keep={entry.folder.name for entry in entries.values()})
    opened = {
        name: [
            replace(
                _open(case, entries[case.name], site, name, label_map.not_annotated),
                code=patient_hash(site.name, case.patient, secret=secret),
            )
            for case in splits[name]
        ]
        for name in SPLITS
    }
    empty = tuple(name for name, entry in entries.items() if not entry.meta["foreground_voxels"])
    if empty:
        logger.warning(
            "site %s: %d of %d cases hold no structure of task '%s' (they are used all the same): "
            "%s",
            site.name,
            len(empty),
            len(cases),
            settings.task.name,
            ", ".join(empty),
        )
    seconds = time.perf_counter() - start
    logger.info(
        "site %s: %d cases (%s), %d prepared and %d from the cache in %.1f s",
        site.name,
        len(cases),
        ", ".join(f"{len(opened[name])} {name}" for name in SPLITS),
        prepared,
        len(cases) - prepared,
        seconds,
    )
    return PreparedSite(
        site=site,
        splits=opened,
        without_foreground=empty,
        prepared=prepared,
        seconds=seconds,
        not_annotated=label_map.not_annotated,
        lease=lease,
    )


def site_label_map(site: Site, settings: ResolvedSettings, *, partial: bool = False) -> LabelMap:
    """Matches a site's labels with the task; `partial` lets structures be missing.

    Raises:
        ConfigError: The site lacks a structure of the task and may not.
    """
    labels: Mapping[str, Any] | None = site.config.labels
    if labels is None and isinstance(site.config.dataset, PhantomData):
        from fedgin.data.phantom import PHANTOM_LABELS

        labels = PHANTOM_LABELS[settings.task.name]
    return build_label_map(
        labels=labels or {},
        other=site.config.other_labels,
        task=settings.task,
        where=str(site.path),
        partial=partial,
    )


def _prepare_all(
    site: Site,
    settings: ResolvedSettings,
    cases: list[Case],
    label_map: LabelMap,
    cache: VolumeCache,
) -> tuple[dict[str, CacheEntry], int, list[Problem]]:
    entries: dict[str, CacheEntry] = {}
    problems: list[Problem] = []
    prepared = 0
    facts = {
        "version": PREPARATION_VERSION,
        "modality": site.config.modality,
        "ct_window": settings.task.ct_window if site.config.modality == "CT" else None,
        "spacing": settings.geometry.spacing,
        "classes": sorted(label_map.class_of.items()),
        "known": sorted(label_map.names.items()),
    }
    for case in cases:
        try:
            key = cache.key(content=case.content_key(cache.hashes), settings=facts)
            entry = cache.find(key)
            if entry is None:
                pair = case.load()
                found = check_pair(
                    case.name, pair, modality=site.config.modality, known_values=label_map.names
                )
                if found:
                    problems += found
                    continue
                entry = _prepare_case(case, pair, site, settings, label_map, cache, key)
                prepared += 1
            entries[case.name] = entry
        except FedginError as error:
            problems += error.problems
    return entries, prepared, problems


def _prepare_case(
    case: Case,
    pair: LabelledVolume,
    site: Site,
    settings: ResolvedSettings,
    label_map: LabelMap,
    cache: VolumeCache,
    key: str,
) -> CacheEntry:
    spacing = settings.geometry.spacing
    upright = to_ras(pair.image)
    check_resampled(case.name, upright, spacing=spacing)
    image = resample(upright, spacing=spacing, order=1)
    label = resample(to_ras(pair.label), spacing=spacing, order=0)
    intensities = normalise(
        image.array, modality=site.config.modality, ct_window=settings.task.ct_window
    )
    classes = np.ascontiguousarray(label_map.to_classes(label.array).transpose(2, 1, 0))
    summary = summarise_pair(case.name, pair, known_values=label_map.names)
    x, y, z = image.spacing
    return cache.store(
        key,
        arrays={
            # Half precision keeps three digits, more than the noise of any scan.
            "image": np.ascontiguousarray(intensities.transpose(2, 1, 0)).astype(np.float16),
            "label": classes,
            "foreground": _sample_foreground(classes, settings.task.n_classes),
        },
        meta={
            "spacing": [z, y, x],
            "foreground_voxels": int(np.count_nonzero(classes)),
            "source": asdict(summary),
        },
    )


def _sample_foreground(classes: np.ndarray, n_classes: int) -> np.ndarray:
    """Picks voxels of each class at random, as class, z, y, x."""
    generator = numpy_generator("foreground")
    found = []
    for index in range(1, n_classes):
        places = np.flatnonzero(classes == index)
        if places.size > FOREGROUND_SAMPLES:
            places = np.sort(generator.choice(places, FOREGROUND_SAMPLES, replace=False))
        positions = np.stack(np.unravel_index(places, classes.shape), axis=1)
        found.append(np.column_stack([np.full(len(positions), index), positions]))
    return np.concatenate(found).astype(np.int32)


def _open(
    case: Case, entry: CacheEntry, site: Site, split: str, not_annotated: tuple[str, ...]
) -> PreparedCase:
    image, label = entry.array("image"), entry.array("label")
    foreground = entry.array("foreground")
    if isinstance(site.config.split, SlabSplit):
        start, stop = slab_bounds(site.config.split, split, image.shape[0])
        image, label = image[start:stop], label[start:stop]
        inside = (foreground[:, 1] >= start) & (foreground[:, 1] < stop)
        foreground = foreground[inside] - np.array([0, start, 0, 0], dtype=np.int32)
    z, y, x = entry.meta["spacing"]
    return PreparedCase(
        name=case.name,
        patient=case.patient,
        site=site.name,
        modality=site.config.modality,
        image=image,
        label=label,
        foreground=foreground,
        spacing=(z, y, x),
        not_annotated=not_annotated,
    )
