"""Preparing one case: read, checked, brought to the task's grid and scale, put into the cache."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fedgin.data.cache import VolumeCache
from fedgin.data.checks import check_pair, summarise_pair
from fedgin.data.labels import LabelMap
from fedgin.data.pair_facts import PairFacts, gather_facts
from fedgin.data.preprocess import prepare_image, resample, to_ras
from fedgin.data.sources import Case
from fedgin.data.volume import LabelledVolume
from fedgin.errors import FedginError, Problem
from fedgin.seeding import numpy_generator
from fedgin.settings import MR_CLIP_PERCENTILE, ResolvedSettings
from fedgin.sites.folders import CacheSettings

PREPARATION_VERSION = 3
FOREGROUND_SAMPLES = 2000


@dataclass(frozen=True)
class Preparation:
    """How the cases of a site are prepared; it can be sent to another process.

    Attributes:
        modality: "CT" or "MR".
        settings: Settings of the run.
        label_map: What the site's label values mean.
        cache: The site's cache.
    """

    modality: str
    settings: ResolvedSettings
    label_map: LabelMap
    cache: CacheSettings

    def key_facts(self) -> dict[str, Any]:
        """Returns what, beside the voxels, a prepared case depends on."""
        settings = self.settings
        facts: dict[str, Any] = {
            "version": PREPARATION_VERSION,
            "modality": self.modality,
            "ct_window": settings.ct_window if self.modality == "CT" else None,
            "spacing": settings.geometry.spacing,
            "classes": sorted(self.label_map.class_of.items()),
            "known": sorted(self.label_map.names.items()),
        }
        if self.modality == "MR" and settings.mr_percentile != MR_CLIP_PERCENTILE:
            facts["mr_percentile"] = settings.mr_percentile  # absent, it is the default's key
        return facts


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes:
        facts: Facts of the pair; None where it could not be read.
        problems: What is wrong with it; none where it now lies in the cache.
    """

    facts: PairFacts | None = None
    problems: tuple[Problem, ...] = ()


def prepare_case(work: tuple[Case, str], *, preparation: Preparation) -> Outcome:
    """Reads and prepares a case, and stores it under its key.

    Args:
        work: The case, and its key in the cache.
        preparation: How it is prepared.
    """
    case, key = work
    facts = None
    try:
        pair = case.load()
        known = preparation.label_map.names
        facts = gather_facts(pair, values=known.keys())
        found = check_pair(case.name, pair, modality=preparation.modality, known_values=known)
        if found:
            return Outcome(facts=facts, problems=tuple(found))
        _store(case, pair, facts, preparation=preparation, key=key)
    except FedginError as error:
        return Outcome(facts=facts, problems=tuple(error.problems))
    return Outcome(facts=facts)


def _store(
    case: Case, pair: LabelledVolume, facts: PairFacts, *, preparation: Preparation, key: str
) -> None:
    settings, label_map = preparation.settings, preparation.label_map
    spacing = settings.geometry.spacing
    image, prepared_spacing = prepare_image(
        case.name,
        pair.image,
        modality=preparation.modality,
        spacing=spacing,
        ct_window=settings.ct_window,
        mr_percentile=settings.mr_percentile,
    )
    label = resample(to_ras(pair.label), spacing=spacing, order=0)
    classes = np.ascontiguousarray(label_map.to_classes(label.array).transpose(2, 1, 0))
    summary = summarise_pair(case.name, pair, known_values=label_map.names)
    VolumeCache(preparation.cache).store(
        key,
        arrays={
            "image": image,
            "label": classes,
            "foreground": sample_foreground(classes, settings.task.n_classes),
        },
        meta={
            "spacing": list(prepared_spacing),
            "foreground_voxels": int(np.count_nonzero(classes)),
            "source": asdict(summary),
            "facts": facts.model_dump(mode="json"),
        },
    )


def sample_foreground(classes: np.ndarray, n_classes: int) -> np.ndarray:
    """Picks voxels of each class at random.

    Args:
        classes: Shape (Z, Y, X): the class of each voxel.
        n_classes: Number of classes with background.

    Returns:
        Shape (N, 4), int32, sorted by class: class, z, y, x; at most `FOREGROUND_SAMPLES` of each.
    """
    generator = numpy_generator("foreground")
    found = []
    for index in range(1, n_classes):
        places = np.flatnonzero(classes == index)
        if places.size > FOREGROUND_SAMPLES:
            places = np.sort(generator.choice(places, FOREGROUND_SAMPLES, replace=False))
        positions = np.stack(np.unravel_index(places, classes.shape), axis=1)
        found.append(np.column_stack([np.full(len(positions), index), positions]))
    return np.concatenate(found).astype(np.int32)
