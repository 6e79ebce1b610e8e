"""Class probabilities of a prepared volume, slab by slab: the whole is never held at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fedgin.engine.evaluator import class_scores
from fedgin.predict.flips import Flip
from fedgin.predict.model import LoadedModel
from fedgin.predict.slabs import SCORE_BYTES, Slab, plan_slabs

SHIFT = (3, 5)
"""Voxels to the front and to the right: no multiples of a network's strides."""


@dataclass(frozen=True)
class ScoredSlab:
    """What the network says of some slices.

    Attributes:
        start: First slice.
        probabilities: Shape (n, classes, Y, X), float32: mean over the ensemble's members of the
            softmax of their scores.
        classes: Shape (n, Y, X), uint8: the most probable class.
        dissent: Shape (n, Y, X), float32: share of the members with another class; None where
            there is one member only.
        shifted: Shape (n, Y, X), uint8: the class when the network is given the image some voxels
            aside; None where that was not asked for.
    """

    start: int
    probabilities: Tensor
    classes: Tensor
    dissent: Tensor | None = None
    shifted: Tensor | None = None


@torch.inference_mode()
def iter_probabilities(
    model: LoadedModel,
    image: np.ndarray,
    *,
    flips: Sequence[Flip] = ((),),
    shift: bool = False,
    limit: int = SCORE_BYTES,
) -> Iterator[ScoredSlab]:
    """Segments a prepared volume.

    Args:
        model: The model.
        image: Shape (Z, Y, X), normalised.
        flips: Members of the ensemble, by the array axes that each mirrors.
        shift: Whether to look at the shifted image too, which takes as long as a member. It has no
            part in the probabilities.
        limit: As for `plan_slabs`.

    Yields:
        The volume's slices in order, each once. Without flips the classes are those of
        `fedgin.engine.evaluator.segment`.

    Raises:
        OutOfMemory: Not even one window fits the device.
    """
    z, y, x = image.shape
    padding = float(image.min())
    for slab in plan_slabs((z, y, x), model.settings, limit=limit):
        scored = _score_slab(model, image, slab, flips=flips, padding=padding)
        if shift:
            scored = replace(scored, shifted=_score_shifted(model, image, slab, padding=padding))
        yield scored


def _score_slab(
    model: LoadedModel, image: np.ndarray, slab: Slab, *, flips: Sequence[Flip], padding: float
) -> ScoredSlab:
    part = image[slab.first : slab.last]
    total: Tensor | None = None
    votes: list[Tensor] = []
    for flip in flips:
        scores = _scores(model, np.flip(part, flip), padding)
        scores = _unflip(scores, flip)[slab.kept]
        votes.append(_classes(scores))
        # In single precision: half of it would tie classes that differ.
        probabilities = scores.float().softmax(dim=1)
        total = probabilities if total is None else total.add_(probabilities)
        del scores, probabilities
    if total is None:
        raise ValueError("an ensemble needs at least one member")
    if len(votes) == 1:
        return ScoredSlab(slab.start, total, votes[0])
    mean = total.div_(len(votes))
    classes = _classes(mean)
    dissent = torch.stack([(vote != classes).float() for vote in votes]).mean(dim=0)
    return ScoredSlab(slab.start, mean, classes, dissent)


def _score_shifted(model: LoadedModel, image: np.ndarray, slab: Slab, *, padding: float) -> Tensor:
    # What leaves at one side comes in at the other, so that moving back loses nothing.
    part = np.roll(image[slab.first : slab.last], SHIFT, axis=(1, 2))
    classes = _classes(_scores(model, part, padding)[slab.kept])
    return classes.roll([-step for step in SHIFT], dims=(1, 2))


def _scores(model: LoadedModel, part: np.ndarray, padding: float) -> Tensor:
    return class_scores(
        model.network,
        part,
        settings=model.settings,
        device=model.device,
        windows=model.windows,
        padding=padding,
    )


def _classes(scores: Tensor) -> Tensor:
    return scores.max(dim=1).indices.to(torch.uint8)


def _unflip(scores: Tensor, flip: Flip) -> Tensor:
    # Axes 0, 1, 2 of the volume are 0, 2, 3 of the scores, which have the classes between.
    return scores.flip([axis if axis == 0 else axis + 1 for axis in flip]) if flip else scores
