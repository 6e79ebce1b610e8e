"""Batches and generators that the augmentation tests share."""

from __future__ import annotations

from collections.abc import Sequence

import torch

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
SHAPES = {"2d": (3, 1, 12, 9), "3d": (3, 1, 6, 7, 5), "2d two channels": (2, 2, 10, 11)}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_images(shape: Sequence[int], seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed))
