"""Telling CT from MR by the intensities of a volume, or saying that neither can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fedgin.data.checks import (
    CT_AIR_HU,
    CT_MOST_DENSE,
    CT_RANGE_HU,
    MR_MOST_NEGATIVE,
    dense_share,
    lowest_of_mr,
)
from fedgin.errors import DataError, Problem

Modality = Literal["CT", "MR"]
MODALITIES: tuple[Modality, ...] = ("CT", "MR")

SAMPLES = 2**20
FEWEST_VALUES = 16
"""A label map or a mask has fewer values than this; a scan has hundreds."""
CT_LEAST_AIR = 0.001
"""Share of a CT's voxels that are air, lung or gas; a few odd voxels of an MR are fewer."""
CT_LEAST_TISSUE = 0.02
TISSUE_HU = (-200.0, 300.0)
STANDARD_UNITS = 20.0
"""No voxel of an image scaled to mean 0 and standard deviation 1 lies further from 0, but some."""
OFFSET_TISSUE = (850.0, 1200.0)
OFFSET_LEAST = 0.6
"""Share of the voxels that are not air in the narrow peak of soft tissue at 1024."""


@dataclass(frozen=True)
class Recognition:
    """What the intensities say.

    Attributes:
        modality: "CT", "MR", or None where they are like neither.
        reason: The values that decided, in words.
    """

    modality: Modality | None
    reason: str


def recognise(array: np.ndarray) -> Recognition:
    """Judges a volume by some million of its voxels, evenly spread.

    CT in HU is known by air and soft tissue at values that are absolute. MR has no unit: what has
    no negative values beyond rounding, or mean 0 and standard deviation 1, may be MR. PET and
    ultrasound look the same; the header of a DICOM series tells them.

    Args:
        array: Intensities, any shape, finite.
    """
    flat = array.ravel(order="K")
    # An odd step meets every column of an image whose width is a power of two.
    values = flat[:: flat.size // SAMPLES | 1].astype(np.float64)
    distinct = len(np.unique(values))
    low, high = (float(value) for value in np.percentile(values, (0.5, 99.5)))
    spread = f"0.5 % of the voxels below {low:.4g}, 0.5 % above {high:.4g}"
    if distinct < FEWEST_VALUES:
        return Recognition(None, f"only {distinct} different values, as in a label map")
    air = float(np.mean(values < CT_AIR_HU))
    dense = dense_share(values)
    if air >= CT_LEAST_AIR and dense <= CT_MOST_DENSE:
        tissue = float(np.mean((values > TISSUE_HU[0]) & (values < TISSUE_HU[1])))
        inside = values.min() >= CT_RANGE_HU[0] and values.max() <= CT_RANGE_HU[1]
        shares = f"{air:.1%} air and {tissue:.1%} soft tissue by HU"
        if inside and tissue >= CT_LEAST_TISSUE:
            return Recognition("CT", shares)
        return Recognition(None, f"{shares}, {spread}")
    if _shifted_ct(values):
        return Recognition(
            None,
            "soft tissue in a narrow peak at 1024, as in a CT without its "
            "rescale intercept of -1024",
        )
    magnitude = low >= -MR_MOST_NEGATIVE * high
    standard = max(abs(low), abs(high)) < STANDARD_UNITS and abs(values.mean()) < values.std()
    if values.min() >= lowest_of_mr(values) and high > low and (magnitude or standard):
        return Recognition("MR", spread)
    return Recognition(None, spread)


def _shifted_ct(values: np.ndarray) -> bool:
    """Finds a CT whose values are HU + 1024."""
    body = values[values > OFFSET_TISSUE[0] / 2]
    if values.max() > CT_RANGE_HU[1] or len(body) < 0.05 * len(values):
        return False
    inside = (body > OFFSET_TISSUE[0]) & (body < OFFSET_TISSUE[1])
    return bool(np.mean(inside) >= OFFSET_LEAST)


def decide_modality(
    *, given: Modality | None, header: str | None, recognition: Recognition, where: str
) -> tuple[Modality, str]:
    """Settles the modality as which a scan is prepared.

    Args:
        given: What the user says, if anything; it counts first.
        header: What a DICOM header says; None where there is none.
        recognition: What the intensities say; it counts where nothing else does.
        where: Name of the scan for errors.

    Returns:
        The modality, and who says so: "given", "header" or "recognised".

    Raises:
        DataError: User and header contradict each other, or nothing says CT or MR.
    """
    stated = next((name for name in MODALITIES if name == header), None)
    if given is not None:
        if stated is not None and stated != given:
            rule = "--modality must be what the DICOM header says"
            mend = "leave --modality out, or segment CT and MR series by themselves"
            raise DataError(Problem(where, rule, f"--modality {given}, header {stated}", mend))
        return given, "given"
    if stated is not None:
        return stated, "header"
    if header is None and recognition.modality is not None:
        return recognition.modality, "recognised"
    found = f"modality '{header}' in the header" if header is not None else recognition.reason
    raise DataError(
        Problem(
            where,
            "a scan must be CT in HU or MR, and be recognised as such",
            found,
            "export CT with slope and intercept applied; if it is one of both, say so by "
            "--modality CT or --modality MR",
        )
    )
