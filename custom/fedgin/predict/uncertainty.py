"""How sure the network is of what it found, on the task's grid.

Entropy and dissent are means over the voxels of a structure and their neighbours in the slice: over
a whole volume they would say little, nearly all of it being background far from everything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fedgin.predict.probabilities import ScoredSlab


@dataclass(frozen=True)
class Doubt:
    """What was measured of one structure, or of all together; None where nothing was.

    Attributes:
        agreement: Dice between what is found and what is found in the image some voxels aside: a
            network that knows a structure finds it again. In [0, 1].
        dissent: Mean share of the flip ensemble's members with another class than the ensemble.
        entropy: Mean entropy of the class probabilities, divided by the logarithm of the number of
            classes: 0 is certain, 1 knows nothing. Its scale is the network's own: some trained
            networks are right and far from certain.
    """

    agreement: float | None = None
    dissent: float | None = None
    entropy: float | None = None


NOTHING = Doubt()
"""What is said where nothing was found."""


class DoubtCounter:
    """Adds up, slab by slab."""

    def __init__(self, n_classes: int) -> None:
        """Starts from nothing; `n_classes` counts the background."""
        # One row for each structure, and row 0 for all of them together.
        self._near = torch.zeros(n_classes, dtype=torch.float64)
        self._entropy = torch.zeros_like(self._near)
        self._dissent = torch.zeros_like(self._near)
        self._found = torch.zeros_like(self._near)
        self._again = torch.zeros_like(self._near)
        self._both = torch.zeros_like(self._near)
        self._ensemble = False
        self._shifted = False

    @torch.inference_mode()
    def add(self, slab: ScoredSlab) -> None:
        """Takes the next slices."""
        self._ensemble = self._ensemble or slab.dissent is not None
        if slab.shifted is not None:
            self._shifted = True
            self._compare(slab.classes, slab.shifted)
        if not slab.classes.any():
            return
        scale = 1 / math.log(slab.probabilities.shape[1])
        entropy = torch.special.entr(slab.probabilities).sum(dim=1).mul_(scale)
        for index in range(len(self._near)):
            inside = slab.classes > 0 if index == 0 else slab.classes == index
            if not inside.any():
                continue
            near = _with_neighbours(inside)
            self._near[index] += int(near.sum())
            self._entropy[index] += float(entropy[near].sum(dtype=torch.float64))
            if slab.dissent is not None:
                self._dissent[index] += float(slab.dissent[near].sum(dtype=torch.float64))

    def _compare(self, classes: Tensor, shifted: Tensor) -> None:
        same = classes[classes == shifted]
        for values, counts in ((classes, self._found), (shifted, self._again), (same, self._both)):
            found = torch.bincount(values.flatten(), minlength=len(counts)).to(counts)
            counts[1:] += found[1:]
            counts[0] += found[1:].sum()

    def of_class(self, index: int) -> Doubt:
        """Returns what was measured of a structure."""
        near, sizes = float(self._near[index]), float(self._found[index] + self._again[index])
        return Doubt(
            agreement=2 * float(self._both[index]) / sizes if self._shifted and sizes else None,
            dissent=float(self._dissent[index]) / near if self._ensemble and near else None,
            entropy=float(self._entropy[index]) / near if near else None,
        )

    def overall(self) -> Doubt:
        """Returns what was measured of all structures together."""
        return self.of_class(0)


def _with_neighbours(inside: Tensor) -> Tensor:
    """Adds the eight neighbours in the slice of each voxel; shape (n, Y, X)."""
    grown = functional.max_pool2d(inside[:, None].float(), kernel_size=3, stride=1, padding=1)
    return grown[:, 0] > 0
