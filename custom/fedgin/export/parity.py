"""Whether an exported network computes what the model computes, on the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fedgin.errors import Problem
from fedgin.export.formats import ExportError
from fedgin.export.model import ExportModel
from fedgin.seeding import torch_generator

LIMIT = 1e-4
"""Largest difference of a score. Float32 sums in another order differ by some 1e-6."""


@dataclass(frozen=True)
class Parity:
    """The result of a comparison.

    Attributes:
        max_abs_difference: Largest difference of a score over all inputs.
        shapes: Shapes of the inputs.
    """

    max_abs_difference: float
    shapes: tuple[tuple[int, ...], ...]


def probes(model: ExportModel) -> list[Tensor]:
    """Draws inputs: two patches at once, and one that is larger, differently along each axis."""
    patch, factors = model.settings.geometry.patch_size, model.architecture.factors
    more = [(axis + 1) * step for axis, step in enumerate(factors)]
    larger = [size + extra for size, extra in zip(patch, more, strict=True)]
    return [
        torch.randn(shape, generator=torch_generator("export", "parity", number))
        for number, shape in enumerate([(2, 1, *patch), (1, 1, *larger)])
    ]


def compare(
    name: str,
    found: Callable[[Tensor], Tensor],
    *,
    model: ExportModel,
    inputs: Sequence[Tensor],
) -> Parity:
    """Compares an exported network with the model on the CPU.

    Args:
        name: What is compared, for messages.
        found: The exported network: (B, 1, *spatial) to scores.
        model: The model.
        inputs: What both are given.

    Raises:
        ExportError: A score differs by more than `LIMIT`, or is not finite.
    """
    worst = 0.0
    for images in inputs:
        with torch.inference_mode():
            expected, scores = model.network(images), found(images)
        if scores.shape != expected.shape:
            raise _differs(name, f"scores of shape {tuple(scores.shape)}, not {expected.shape}")
        difference = (scores - expected).abs().max().item()
        # Written so that a difference that is not a number fails.
        if not difference <= LIMIT:
            raise _differs(name, f"a difference of {difference:.3g}")
        worst = max(worst, difference)
    return Parity(worst, tuple(tuple(images.shape) for images in inputs))


def _differs(name: str, found: str) -> ExportError:
    return ExportError(
        Problem(
            name,
            f"exported, it must give the model's scores to within {LIMIT:g}",
            found,
            "leave this format out of --formats, and report the versions of torch and of the "
            "packages of the extra `export`",
        )
    )
