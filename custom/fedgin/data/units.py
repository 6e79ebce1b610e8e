"""The units that differentially private training protects: slices or patients, each on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from fedgin.data.prepare import PreparedCase
from fedgin.data.sampling import PatchSampler


class ProtectedUnits:
    """The training data as a list of units, of which each can be cut out without the others.

    A patient is all cases of a site with that patient's name. A slice is one axial slice of one
    prepared case.
    """

    def __init__(
        self,
        cases: Sequence[PreparedCase],
        *,
        unit: Literal["slice", "patient"],
        patch_size: Sequence[int],
        foreground_fraction: float,
    ) -> None:
        """Lists the units.

        Args:
            cases: At least one case.
            unit: What a unit is.
            patch_size: (y, x) for slices or (z, y, x) for volumes, in voxels.
            foreground_fraction: Share of a unit's patches centred on a structure that it shows.
        """
        if not cases:
            raise ValueError("private training needs at least one case")
        self._cases = list(cases)
        self._patch_size = tuple(patch_size)
        self._foreground_fraction = foreground_fraction
        self._members = _patients(self._cases) if unit == "patient" else _slices(self._cases)

    def __len__(self) -> int:
        """Number of units."""
        return len(self._members)

    def sampler(self, index: int) -> PatchSampler:
        """Returns what draws patches from one unit; it knows nothing of the others."""
        return PatchSampler(
            [
                self._cases[case] if place is None else _one_slice(self._cases[case], place)
                for case, place in self._members[index]
            ],
            patch_size=self._patch_size,
            foreground_fraction=self._foreground_fraction,
        )


Member = tuple[int, int | None]
"""A case by its index, whole or the slice at a z."""


def _patients(cases: list[PreparedCase]) -> list[list[Member]]:
    found: dict[tuple[str, str], list[Member]] = {}
    for number, case in enumerate(cases):
        found.setdefault((case.site, case.patient), []).append((number, None))
    return list(found.values())


def _slices(cases: list[PreparedCase]) -> list[list[Member]]:
    return [[(number, z)] for number, case in enumerate(cases) for z in range(case.image.shape[0])]


def _one_slice(case: PreparedCase, z: int) -> PreparedCase:
    """Cuts out a slice; the places of its structures come from its own label alone.

    The case's list of places would not do: it is a random choice among all slices.
    """
    label = np.asarray(case.label[z : z + 1])
    places = np.argwhere(label)
    return replace(
        case,
        image=case.image[z : z + 1],
        label=label,
        foreground=np.column_stack([label[tuple(places.T)], places]).astype(np.int32),
    )
