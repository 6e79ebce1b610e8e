"""Drawing training batches: patches of slices or volumes, balanced over patients and classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fedgin.data.pages import give_back_pages
from fedgin.data.prepare import PreparedCase


@dataclass(frozen=True)
class PatchDraw:
    """Where one patch comes from.

    Attributes:
        case: Index of the case.
        start: z, y, x of the patch's first voxel; negative where the patch reaches outside.
    """

    case: int
    start: tuple[int, int, int]


class PatchSampler:
    """Draws patches from cases, and cuts them out."""

    def __init__(
        self,
        cases: Sequence[PreparedCase],
        *,
        patch_size: Sequence[int],
        foreground_fraction: float,
    ) -> None:
        """Sets what is drawn from.

        Args:
            cases: At least one case.
            patch_size: (y, x) for slices or (z, y, x) for volumes, in voxels.
            foreground_fraction: Share of patches centred on a structure; the others lie anywhere.
        """
        if not cases:
            raise ValueError("sampling needs at least one case")
        self._cases = list(cases)
        self._dims = len(patch_size)
        self._patch = tuple(patch_size) if self._dims == 3 else (1, *patch_size)
        self._foreground_fraction = foreground_fraction
        self._foreground = [_places_by_class(case.foreground) for case in self._cases]

    def draw(self, count: int, *, generator: np.random.Generator) -> list[PatchDraw]:
        """Draws the places of `count` patches: the case, then a class, then a voxel, all alike."""
        draws = []
        for _ in range(count):
            index = int(generator.integers(len(self._cases)))
            shape = self._cases[index].image.shape
            by_class = self._foreground[index]
            if by_class and generator.random() < self._foreground_fraction:
                places = by_class[sorted(by_class)[int(generator.integers(len(by_class)))]]
                centre = places[int(generator.integers(len(places)))]
            else:
                centre = generator.integers(shape)
            draws.append(
                PatchDraw(case=index, start=self._start(centre, shape, generator=generator))
            )
        return draws

    def _start(
        self, centre: np.ndarray, shape: tuple[int, ...], *, generator: np.random.Generator
    ) -> tuple[int, int, int]:
        start = []
        for position, size, patch in zip(centre, shape, self._patch, strict=True):
            if size <= patch:
                start.append(-((patch - size) // 2))  # a small volume sits in the middle
                continue
            # The centre lies anywhere in the middle half, so that structures are seen off-centre.
            shift = int(generator.integers(-(patch // 4), patch // 4 + 1)) if patch > 1 else 0
            first = int(position) - patch // 2 + shift
            start.append(min(max(first, 0), size - patch))
        return start[0], start[1], start[2]

    def cut(self, draws: Sequence[PatchDraw]) -> tuple[Tensor, Tensor]:
        """Cuts the patches out of the memory-mapped arrays.

        Returns:
            Images (B, 1, *patch) float32 and labels (B, 1, *patch) uint8, on the CPU. Outside a
            volume the image has the smallest value of the part inside and the label is background.
        """
        images = np.empty((len(draws), *self._patch), dtype=np.float32)
        labels = np.zeros((len(draws), *self._patch), dtype=np.uint8)
        for number, draw in enumerate(draws):
            case = self._cases[draw.case]
            inside, outside = _overlap(draw.start, self._patch, case.image.shape)
            region = case.image[inside]
            if region.shape != self._patch:
                images[number] = region.min() if region.size else 0.0
            images[number][outside] = region
            labels[number][outside] = case.label[inside]
            give_back_pages(case.image, case.label, case.foreground)
        if self._dims == 2:
            images, labels = images[:, 0], labels[:, 0]
        return torch.from_numpy(images[:, None]), torch.from_numpy(labels[:, None])

    def known(self, draws: Sequence[PatchDraw], *, class_names: Sequence[str]) -> Tensor:
        """Says which classes the site of each patch annotates.

        Args:
            draws: The patches.
            class_names: The task's classes 1, 2, ...

        Returns:
            Shape (B, classes with background), bool, on the CPU; the background is always known.
        """
        lacking = [self._cases[draw.case].not_annotated for draw in draws]
        return torch.tensor([[True, *(n not in names for n in class_names)] for names in lacking])


def _places_by_class(foreground: np.ndarray) -> dict[int, np.ndarray]:
    """Finds the places of each class, as views where the list is sorted by class.

    Args:
        foreground: Shape (N, 4): class, z, y, x.

    Returns:
        By class, shape (n, 3).
    """
    column = np.array(foreground[:, 0])
    found = {}
    for index, first, count in zip(
        *np.unique(column, return_index=True, return_counts=True), strict=True
    ):
        together = slice(int(first), int(first) + int(count))
        rows = foreground[together if (column[together] == index).all() else column == index]
        found[int(index)] = rows[:, 1:]
    give_back_pages(foreground)
    return found


def _overlap(
    start: Sequence[int], patch: Sequence[int], shape: Sequence[int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    inside, outside = [], []
    for first, size, limit in zip(start, patch, shape, strict=True):
        low, high = max(first, 0), min(first + size, limit)
        inside.append(slice(low, high))
        outside.append(slice(low - first, high - first))
    return tuple(inside), tuple(outside)
