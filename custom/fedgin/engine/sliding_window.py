"""Scores of whole images from overlapping windows, weighted by a Gaussian as MONAI does it.

`monai.inferers.sliding_window_inference` gives the same scores to 1e-6. This one does without
MONAI's import (see `fedgin.networks.unet`) and without weights where one window holds the image.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from fedgin.engine.passes import map_passes

SIGMA_SCALE = 0.125
LEAST_WEIGHT = 1e-3


def slide_windows(
    images: Tensor,
    *,
    network: Callable[[Tensor], Tensor],
    window: Sequence[int],
    overlap: float,
    at_once: int,
    padding: float,
    threads: int = 1,
) -> Tensor:
    """Scores all voxels of a batch of images.

    The windows lie evenly from one border on, the last one against the other border. A voxel's
    score is the mean of those of its windows, weighted by a Gaussian around each window's centre.

    Args:
        images: Shape (B, channels, *size).
        network: From (N, channels, *window) to scores (N, classes, *window).
        window: Voxels of a window along each axis.
        overlap: Share of a window that the next one covers too, in [0, 1).
        at_once: Most windows in memory at the same time; those of an image follow each other.
        padding: Intensity around images smaller than the window.
        threads: Passes at the same time, which share `at_once`; one pass at a time where there are
            not so many windows. More than one only on the CPU, and for a network whose scores of a
            window depend on no other window.

    Returns:
        Shape (B, classes, *size), of the images' type.

    Raises:
        TypeError: The network returned something else than one tensor.
    """
    padded, inner = _pad(images, window, padding)
    places = window_places(padded.shape[2:], window, overlap)
    pairs = list(itertools.product(range(len(padded)), places))
    weights = gaussian_weights(window, device=images.device, dtype=images.dtype)
    total: Tensor | None = None
    if at_once < threads:
        threads = 1  # which the threads share
    of_pass = at_once // threads
    passes = [pairs[first : first + of_pass] for first in range(0, len(pairs), of_pass)]

    def score(chosen: Sequence[tuple[int, tuple[slice, ...]]]) -> Tensor:
        scores = network(torch.cat([padded[i : i + 1, :, *place] for i, place in chosen]))
        if not isinstance(scores, Tensor):
            raise TypeError(f"the network returned {type(scores).__name__}, not scores")
        return scores

    found = map_passes(score, passes, threads=min(threads, len(passes)))
    for number, (chosen, scores) in enumerate(zip(passes, found, strict=True)):
        first = number * of_pass
        if total is None:
            total = images.new_zeros((len(padded), scores.shape[1], *padded.shape[2:]))
        if len(places) == 1:
            total[first : first + len(chosen)] = scores
            continue
        for (image, place), part in zip(chosen, scores * weights, strict=True):
            total[image, :, *place] += part
    if total is None:
        raise ValueError("there are no images")
    if len(places) > 1:
        weight_sum = torch.zeros_like(total[0, 0])
        for place in places:
            weight_sum[place] += weights
        total /= weight_sum
    return total[:, :, *inner]


def window_places(
    size: Sequence[int], window: Sequence[int], overlap: float
) -> list[tuple[slice, ...]]:
    """Lists where windows lie in an image at least as large.

    Args:
        size: Voxels of the image along each axis.
        window: Voxels of a window along each axis.
        overlap: Share of a window that the next one covers too, in [0, 1).
    """
    starts = [window_starts(n, edge, overlap) for n, edge in zip(size, window, strict=True)]
    return [
        tuple(slice(start, start + edge) for start, edge in zip(corner, window, strict=True))
        for corner in itertools.product(*starts)
    ]


def window_starts(size: int, window: int, overlap: float) -> list[int]:
    """Lists where windows begin along an axis.

    The step is int(window * (1 - overlap)), at least 1; the last window ends where the axis does.

    Args:
        size: Voxels of the image; if less than the window, it is padded.
        window: Voxels of a window.
        overlap: Share of a window that the next one covers too, in [0, 1).
    """
    step = max(1, int(window * (1 - overlap)))
    last = max(size, window) - window
    return [min(start, last) for start in range(0, last + step, step)]


def gaussian_weights(
    window: Sequence[int], *, device: torch.device, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Returns the weights of a window's voxels: exp(-x^2 / (2 sigma^2)) along each axis.

    x is the distance from the centre and sigma an eighth of the window, in voxels; no weight is
    less than 0.001.

    Args:
        window: Voxels along each axis.
        device: Where they are made.
        dtype: Their type; they are computed in single precision.
    """
    weights = torch.ones((), device=device)
    for edge in window:
        x = torch.arange(edge, device=device, dtype=torch.float32) - (edge - 1) / 2
        weights = weights[..., None] * torch.exp(x**2 / (-2 * (SIGMA_SCALE * edge) ** 2))
    return weights.clamp_min(LEAST_WEIGHT).to(dtype)


def _pad(images: Tensor, window: Sequence[int], value: float) -> tuple[Tensor, tuple[slice, ...]]:
    """Pads images to at least a window, evenly, and tells where they lie then."""
    missing = [max(0, edge - n) for n, edge in zip(images.shape[2:], window, strict=True)]
    inner = tuple(
        slice(gap // 2, gap // 2 + n) for n, gap in zip(images.shape[2:], missing, strict=True)
    )
    if not any(missing):
        return images, inner
    around = [side for gap in reversed(missing) for side in (gap // 2, gap - gap // 2)]
    return functional.pad(images, around, value=value), inner
