"""A site's cases in a data set's own layout, found by its adapter at every start."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fedgin.data.adapters.base import FoundCase, FoundData
from fedgin.data.adapters.left_out import left_out_lines
from fedgin.data.adapters.registry import get_adapter
from fedgin.data.adapters.segment_naming import renamed
from fedgin.data.dicom.found_cases import found_dicom_cases
from fedgin.data.file_cases import FileCase
from fedgin.data.labels import build_label_map
from fedgin.data.mask_cases import MaskCase
from fedgin.errors import ConfigError, DataError, Problem
from fedgin.sites.data_sets import AdapterData
from fedgin.sites.lookup import Site
from fedgin.sites.schema import LabelValues
from fedgin.sites.splits import OwnSplit
from fedgin.tasks import Task

if TYPE_CHECKING:
    from fedgin.data.sources import Case

logger = logging.getLogger(__name__)


def adapter_cases(site: Site, dataset: AdapterData, task: Task) -> Sequence[Case]:
    """Finds the cases of the site's modality in a data set.

    What is left out is counted and listed in the log. Of masks those that the task needs are read.

    Raises:
        DataError: The data set is not there, or has no case of the modality.
    """
    found = find_data(site, dataset)
    chosen = of_modality(found.cases, site.config.modality)
    if not chosen:
        modalities = Counter(case.modality for case in found.cases)
        counts = ", ".join(f"{count} of {name}" for name, count in modalities.items())
        rule = f"the data set must have cases of the site's modality, {site.config.modality}"
        mend = "correct the modality or the root"
        raise DataError(Problem(f"{site.path}: key 'modality'", rule, counts, mend))
    _log_left_out(site, found)
    return made_cases(
        found,
        chosen,
        root=data_root(dataset),
        structures=task_structures(found.labels, task) if found.form == "masks" else {},
        own_split=_keeps_split(site),
    )


def find_data(site: Site, dataset: AdapterData) -> FoundData:
    """Looks through the data set that a site's file names.

    Raises:
        ConfigError: The site's file names segments or structures that no label file has.
        DataError: It is not there, or must be refused.
    """
    root = data_root(dataset)
    try:
        found = get_adapter(dataset.name).find(root)
    except DataError as error:
        place = f"{site.path}: key 'dataset.root'"
        raise DataError(
            replace(one, where=place, found=f"{dataset.told_root}: {one.found}")
            if one.where == str(root)
            else one
            for one in error.problems
        ) from None
    if not (dataset.segments or dataset.may_lack):
        return found
    where = f"{site.path}: keys 'dataset.segments' and 'dataset.may_lack'"
    given = dataset.names_by_structure
    return renamed(found, given=given, may_lack=dataset.may_lack, where=where)


def data_root(dataset: AdapterData) -> Path:
    """Returns the data set's root as a path."""
    return dataset.folder


def of_modality(cases: Sequence[FoundCase], modality: str) -> list[FoundCase]:
    """Returns the cases of a modality, and those of which the data set does not say it."""
    return [case for case in cases if case.modality in (modality, None)]


def adapter_labels(
    site: Site, dataset: AdapterData
) -> tuple[Mapping[str, LabelValues], tuple[int, ...]]:
    """Returns the label values of the site's file, or else the data set's own.

    Raises:
        ConfigError: There are none, or they contradict the masks' own.
        DataError: The data set is not there, or must be refused.
    """
    config = site.config
    found = find_data(site, dataset)
    where = f"{site.path}: key 'labels'"
    named_by_files = found.form == "masks" or found.naming is not None
    if named_by_files and config.labels is not None:
        rule = "masks, segments and ROIs are named by their files, so no values are given for them"
        raise ConfigError(Problem(where, rule, f"{len(config.labels)} names", "leave the key out"))
    if config.labels is None and not found.labels:
        rule = "a data set without label names needs them in the site's file"
        mend = "add labels: structure names and their values in the files"
        raise ConfigError(Problem(where, rule, "none", mend))
    if config.labels is not None:
        return config.labels, config.other_labels
    return found.labels, config.other_labels or found.other_labels


def made_cases(
    found: FoundData,
    chosen: Sequence[FoundCase],
    *,
    root: Path,
    structures: Mapping[str, int],
    own_split: bool,
) -> Sequence[Case]:
    """Turns found cases into ones that can be loaded.

    Args:
        found: The data set.
        chosen: Those of its cases that are wanted.
        root: Its root.
        structures: Of masks: label values by structure, of those that are read.
        own_split: Whether the cases keep the split that the data set puts them in.
    """
    if found.form == "masks":
        return [
            MaskCase(
                name=case.name,
                patient=case.patient,
                root=root,
                image=root / case.image,
                masks=root / case.label,
                values=structures,
                fixed_split=case.split if own_split else None,
            )
            for case in chosen
        ]
    if found.form == "dicom":
        return found_dicom_cases(found, chosen, root=root, own_split=own_split)
    return [
        FileCase(
            name=case.name,
            patient=case.patient,
            image=root / case.image,
            label=root / case.label,
            fixed_split=case.split if own_split else None,
        )
        for case in chosen
    ]


def task_structures(labels: Mapping[str, LabelValues], task: Task) -> dict[str, int]:
    """Returns those masks, with their values, that make up a task's classes."""
    label_map = build_label_map(labels=labels, other=(), task=task, where="", partial=True)
    return {
        name: value
        for name, value in labels.items()
        if isinstance(value, int) and value in label_map.class_of
    }


def _keeps_split(site: Site) -> bool:
    """Tells whether the data set's own split counts: no other is written into the site's file."""
    split_named = "split" in site.config.model_fields_set
    return not split_named or isinstance(site.config.split, OwnSplit)


def _log_left_out(site: Site, found: FoundData) -> None:
    for note in found.notes:
        logger.info("site %s: %s", site.name, note)
    for line in left_out_lines(found.left_out):
        logger.info("site %s: left out: %s", site.name, line)
