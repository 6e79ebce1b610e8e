"""Preparing a site's volumes: read, checked, brought to the task's grid and scale, cached."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import IO

import numpy as np

from fedgin.data.beside import log_beside
from fedgin.data.cache import CacheEntry, VolumeCache
from fedgin.data.check_splits import check_split
from fedgin.data.copies import warn_of_copies
from fedgin.data.labels import LabelMap, build_label_map, check_some_class
from fedgin.data.pair_facts import PairFacts
from fedgin.data.prepare_case import Preparation
from fedgin.data.prepare_cases import prepare_cases
from fedgin.data.slab import slab_bounds
from fedgin.data.sources import Case, list_cases, site_labels
from fedgin.data.split import SPLITS, split_cases
from fedgin.errors import ConfigError, DataError
from fedgin.open_files import allow_open_files
from fedgin.settings import ResolvedSettings
from fedgin.sites.lookup import Site
from fedgin.sites.pseudonyms import patient_hash, site_secret
from fedgin.sites.splits import SlabSplit

logger = logging.getLogger(__name__)

ARRAYS = 3
"""Memory-mapped arrays of a case."""


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
        label: Shape (Z, Y, X), uint8 class indices; 0 is the background or, where the site lacks
            classes, one of these.
        foreground: Shape (N, 4), int32: class, z, y, x of sampled voxels, at most
            `FOREGROUND_SAMPLES` of `fedgin.data.prepare_case` per class.
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
    site: Site,
    settings: ResolvedSettings,
    *,
    partial: bool = False,
    trains: bool = True,
    on_facts: Callable[[str, PairFacts], None] = lambda case, facts: None,
) -> PreparedSite:
    """Prepares all cases of a site, or opens them where they were prepared before.

    Args:
        site: The site's file.
        settings: Settings of the run.
        partial: Whether the site may lack structures of the task, as one that only tests may. The
            setting `partial_labels` may let any site do so.
        trains: Whether the site must have cases to train on.
        on_facts: Told the facts of each case that could be read, also where others cannot.

    Raises:
        ConfigError: The site's file does not fit the task.
        DataError: Volumes break rules; the problems of all volumes are listed together.
    """
    start = time.perf_counter()
    secret = site_secret(site)
    label_map = site_label_map(site, settings, partial=partial)
    if trains and not partial:
        check_some_class(label_map, settings.task, where=str(site.path))
    cases = list_cases(site, settings.task)
    log_beside(site)
    cache = VolumeCache(site.config.cache)
    lease = cache.lease()
    preparation = Preparation(
        modality=site.config.modality,
        settings=settings,
        label_map=label_map,
        cache=site.config.cache,
    )
    image_hashes: dict[str, str] = {}

    def tell(case: str, facts: PairFacts) -> None:
        image_hashes[case] = facts.image_hash
        if facts.affine_doubt:
            logger.warning("site %s: %s: %s: set both alike", site.name, case, facts.affine_doubt)
        on_facts(case, facts)

    entries, prepared, problems = prepare_cases(
        cases, preparation, cache=cache, workers=site.config.threads, on_facts=tell
    )
    try:
        splits = split_cases(site, cases)
    except ConfigError as error:
        raise ConfigError([*error.problems, *problems]) from None
    if not isinstance(site.config.split, SlabSplit):
        problems += check_split(
            {name: [(c.name, c.patient) for c in dealt] for name, dealt in splits.items()},
            training="train" if trains else None,
        )
        warn_of_copies(site, splits, image_hashes)
    if problems:
        raise DataError(problems)
    allow_open_files(ARRAYS * len(entries))
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
    if trains and not partial and label_map.not_annotated:
        taken_wrongly = settings.training.partial_labels == "background"
        logger.log(
            logging.WARNING if taken_wrongly else logging.INFO,
            "site %s does not annotate %s: %s",
            site.name,
            ", ".join(label_map.not_annotated),
            "taken for background, which they are not" if taken_wrongly else "unknown there",
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
    """Matches a site's labels with the task; `partial`, or the settings, let structures be missing.

    Raises:
        ConfigError: The site lacks a structure of the task and may not, or it names values that its
            phantoms do not have.
        DataError: The data set of an adapter, which brings the labels, is not there.
    """
    labels, other = site_labels(site, settings.task)
    return build_label_map(
        labels=labels,
        other=other,
        task=settings.task,
        where=str(site.path),
        partial=partial or settings.training.partial_labels != "refuse",
    )


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
