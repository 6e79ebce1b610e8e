"""Checking cases before training: all problems are collected, none hides another."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from fedgin.data.case_summary import (
    CaseSummary,
    count_values,
    foreground_count,
    summarise_pair,
)
from fedgin.data.check_splits import check_split
from fedgin.data.nifti import read_nifti
from fedgin.data.volume import LabelledVolume, Volume
from fedgin.errors import DataError, Problem

__all__ = [
    "CaseSummary",
    "check_geometry",
    "check_intensities",
    "check_labels",
    "check_pair",
    "check_split",
    "collect_problems",
    "count_values",
    "foreground_count",
    "read_pair",
    "summarise_pair",
]

MAX_DISPLACEMENT_VOXELS = 0.1
CT_AIR_HU = -200.0
"""Every CT of a body shows air or lung below this; an image without is no CT in HU."""
CT_RANGE_HU = (-10_000.0, 40_000.0)
"""Wide enough for padding values and for metal on an extended scale."""
CT_DENSE_HU, CT_MOST_DENSE = 4000.0, 0.02
"""Denser than enamel is metal alone, and even that is less than this share of the voxels."""
MR_LOWEST, MR_MOST_NEGATIVE = -500.0, 0.1
"""MR intensities are magnitudes; filters push them slightly below 0, by less than this share of
the brightest tissue."""
MR_BRIGHTEST = 98.0
"""Percentile; what lies above may be metal in a CT."""
_LISTED = 20


def read_pair(case: str, image_path: Path, label_path: Path) -> LabelledVolume:
    """Read the image and the label map of a case.

    Args:
        case: Name of the case, for messages.
        image_path: Its image.
        label_path: Its label map.

    Returns:
        Both, not yet checked against each other (see `check_pair`).

    Raises:
        DataError: With the problems of both files together.
    """
    problems: list[Problem] = []
    volumes: list[Volume] = []
    try:
        volumes.append(read_nifti(image_path, kind="image"))
    except DataError as error:
        problems += error.problems
    try:
        volumes.append(read_nifti(label_path, kind="label"))
    except DataError as error:
        problems += error.problems
    if problems:
        raise DataError(
            dataclasses.replace(problem, where=f"{case}: {problem.where}") for problem in problems
        )
    return LabelledVolume(image=volumes[0], label=volumes[1])


def collect_problems(
    loaders: Iterable[tuple[str, Callable[[], LabelledVolume]]],
    check: Callable[[str, LabelledVolume], Iterable[Problem]],
) -> list[Problem]:
    """Load and check cases one after another, in the memory of one.

    Args:
        loaders: Pairs of a case's name and a function that loads it.
        check: Finds the problems of a loaded case.

    Returns:
        The problems of all cases, unreadable ones included.
    """
    problems: list[Problem] = []
    for case, load in loaders:
        try:
            problems += check(case, load())
        except DataError as error:
            problems += error.problems
    return problems


def check_pair(
    case: str, pair: LabelledVolume, *, modality: str, known_values: Mapping[int, str]
) -> list[Problem]:
    """Check that image and label map fit each other, the site's map and the modality.

    A label map without any foreground is allowed; `summarise_pair` tells it.

    Args:
        case: Name of the case, for messages.
        pair: Image and label map.
        modality: "CT" or "MR".
        known_values: The site's map, label value -> name, with 0 for background.

    Returns:
        All problems, none where the case is sound.
    """
    return [
        *check_geometry(case, pair),
        *check_labels(case, pair.label, known_values),
        *check_intensities(case, pair.image, modality),
    ]


def check_geometry(case: str, pair: LabelledVolume) -> list[Problem]:
    """Check that image and label map lie on the same grid.

    Args:
        case: Name of the case, for messages.
        pair: Image and label map.

    Returns:
        All problems, none where both have the same shape and place.
    """
    problems = []
    image, label = pair.image, pair.label
    mend = "resample the label map onto the image's grid, or check that the files belong together"
    if image.array.shape != label.array.shape:
        found = f"image {image.array.shape}, label map {label.array.shape}"
        rule = "image and label map must have the same shape"
        problems.append(Problem(case, rule, found, mend))
    displacement = _displacement_mm(image, label)
    limit = MAX_DISPLACEMENT_VOXELS * min(image.spacing)
    # Written so that a displacement of NaN is refused too.
    if not displacement < limit:
        rule = f"image and label map must lie within {MAX_DISPLACEMENT_VOXELS:g} voxel"
        found = f"corners up to {displacement:.3f} mm apart (limit {limit:.3f} mm)"
        problems.append(Problem(case, rule, found, mend))
    return problems


def _displacement_mm(image: Volume, label: Volume) -> float:
    """Largest distance that a corner of the image's grid moves under the label's affine."""
    ends = [(0, size - 1) for size in image.array.shape]
    corners = np.array([(*corner, 1) for corner in itertools.product(*ends)], dtype=np.float64)
    moved = corners @ (image.affine - label.affine).T
    return float(np.linalg.norm(moved[:, :3], axis=1).max())


def check_labels(case: str, label: Volume, known_values: Mapping[int, str]) -> list[Problem]:
    """Check that the site's map knows every label value."""
    unknown = [
        (value, number)
        for value, number in count_values(label).items()
        if value not in known_values
    ]
    if not unknown:
        return []
    found = ", ".join(f"{value} ({number} voxels)" for value, number in unknown[:_LISTED])
    if len(unknown) > _LISTED:
        found += f" and {len(unknown) - _LISTED} further values"
    rule = "every label value must have a name in the site's label map"
    mend = f"name these values in the site's file (known: {sorted(known_values)})"
    return [Problem(case, rule, found, mend)]


def check_intensities(case: str, image: Volume, modality: str) -> list[Problem]:
    """Check that intensities are those of the modality, "CT" or "MR"."""
    low, high = float(image.array.min()), float(image.array.max())
    found = f"intensities from {low:g} to {high:g}"
    if modality not in ("CT", "MR"):
        rule = "the modality must be CT or MR"
        return [Problem(case, rule, repr(modality), "correct the modality in the site's file")]
    if low == high:
        # Whatever a constant image holds says nothing about its modality.
        rule = "an image must not be constant"
        mend = "export the image again; its voxels were lost"
        return [Problem(case, rule, f"every voxel at {low:g}", mend)]
    if modality == "MR":
        lowest = MR_LOWEST if low >= MR_LOWEST else lowest_of_mr(image.array)
        if low >= lowest:
            return []
        rule = f"an MR image must have no value below {lowest:g}"
        mend = "set the modality to CT if the intensities are HU, or export the MR image again"
        return [Problem(case, rule, found, mend)]
    problems = []
    if low >= CT_AIR_HU:
        rule = f"a CT image must have values below {CT_AIR_HU:g} HU (air)"
        mend = "export in HU with slope and intercept applied, or set the modality to MR"
        problems.append(Problem(case, rule, found, mend))
    if low < CT_RANGE_HU[0] or high > CT_RANGE_HU[1]:
        rule = f"CT values must lie in {CT_RANGE_HU[0]:g} to {CT_RANGE_HU[1]:g} HU"
        mend = "set padding to -1024 and check slope and intercept"
        problems.append(Problem(case, rule, found, mend))
    elif high > CT_DENSE_HU and (dense := dense_share(image.array)) > CT_MOST_DENSE:
        rule = f"at most {CT_MOST_DENSE:.0%} of a CT's voxels lie above {CT_DENSE_HU:g} HU (metal)"
        mend = "export in HU with slope and intercept applied, or set the modality to MR"
        problems.append(Problem(case, rule, f"{dense:.1%}, {found}", mend))
    return problems


def dense_share(values: np.ndarray) -> float:
    """Returns the share of the voxels that nothing but metal could be, in HU."""
    return float(np.mean(values > CT_DENSE_HU))


def lowest_of_mr(values: np.ndarray) -> float:
    """Returns the lowest value that an MR image of these intensities may have."""
    return min(MR_LOWEST, -MR_MOST_NEGATIVE * float(np.percentile(values, MR_BRIGHTEST)))
