"""Volumes that adults' organs have."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

GRAMS_PER_ML = 1.05
"""Soft tissue and blood, ICRU Report 46."""
REFERENCE_GRAMS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "liver": (1400.0, 1800.0),
        "spleen": (130.0, 150.0),
        "kidney": (138.0, 155.0),
        "kidneys": (276.0, 310.0),
        "pancreas": (120.0, 140.0),
        "gallbladder": (56.0, 68.0),
        "adrenal": (6.5, 7.0),
        "adrenal_gland": (6.5, 7.0),
        "heart": (620.0, 840.0),
        "brain": (1300.0, 1450.0),
        "thyroid": (17.0, 20.0),
        "thyroid_gland": (17.0, 20.0),
    }
)
"""Reference woman and man; the heart with its blood, the gallbladder with its bile, kidney and
adrenal each alone: ICRP Publication 89, Basic anatomical and physiological data (2002)."""
LEAST, MOST = 1 / 4, 3.0
"""Of the reference woman's and of the reference man's organ: wide enough for most disease. What
lies outside is rather a wrong value, unit or organ."""
LEAST_ML: Mapping[str, float] = MappingProxyType({"gallbladder": 2.0})
"""A gallbladder empties after a meal."""
SIDES = ("left", "right")


def adult_range(name: str) -> tuple[float, float] | None:
    """Returns the least and the largest plausible volume in ml; None where there is no reference.

    Args:
        name: The organ, in lower case with underscores; its side does not matter.
    """
    organ = "_".join(word for word in name.split("_") if word not in SIDES)
    if organ not in REFERENCE_GRAMS:
        return None
    woman, man = (grams / GRAMS_PER_ML for grams in REFERENCE_GRAMS[organ])
    return LEAST_ML.get(organ, LEAST * woman), MOST * man
