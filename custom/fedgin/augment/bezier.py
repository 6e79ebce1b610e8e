"""Random smooth intensity curves: Bezier curves on each sample's intensities.

Source: Zhou et al., "Models Genesis", MICCAI 2019 (arXiv 1908.06912), with the defaults of the
released code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

TABLE_SIZE = 1024


@dataclass(frozen=True)
class BezierDraw:
    """The random numbers of one call, on the CPU.

    Attributes:
        points: Shape (B, 2, 2), float32, in [0, 1]: the inner control points (u1, u2), (u3, u4).
        inverted: Shape (B,), bool: which curves fall.
        applied: Shape (B,), bool: which samples are augmented at all.
    """

    points: Tensor
    inverted: Tensor
    applied: Tensor


class Bezier:
    """Draws and applies intensity curves for batches in 2D or 3D.

    Each sample's intensities are scaled to [0, 1] by its minimum and maximum, sent through a curve
    and scaled back to its range. The curve is the cubic Bezier curve (x(t), y(t)) with the control
    points (0, 0), (u1, u2), (u3, u4), (1, 1), all u drawn from U(0, 1), sampled at a table of t.
    With u in [0, 1] neither x nor y ever falls, so y is a rising function of x. An inverted curve
    pairs x(t) with y(1 - t): it falls from (0, 1) to (1, 0). Both are what the released code makes
    by sorting x and y, or x alone, of a curve that it samples backwards.
    """

    def __init__(
        self,
        *,
        probability: float = 0.5,
        inverted: bool | None = None,
        curves: Sequence[tuple[float, float, float, float]] | None = None,
        keep_minimum: bool = False,
    ) -> None:
        """Sets the law that draws follow.

        Args:
            probability: Chance of each sample to be augmented.
            inverted: Whether curves are inverted; None inverts half of them.
            curves: Inner control points (u1, u2, u3, u4) among which each sample's are drawn; None
                draws them from U(0, 1).
            keep_minimum: Leave the voxels at a sample's minimum, its background, where they are.
        """
        self.probability = probability
        self.inverted = inverted
        self.curves = None if curves is None else tuple(curves)
        self.keep_minimum = keep_minimum

    def draw(self, shape: Sequence[int], *, generator: torch.Generator) -> BezierDraw:
        """Draws the parameters for a batch of shape (B, C, *spatial)."""
        batch = shape[0]
        if self.curves is None:
            points = torch.rand(batch, 4, generator=generator)
        else:
            choice = torch.randint(len(self.curves), (batch,), generator=generator)
            points = torch.tensor(self.curves, dtype=torch.float32)[choice]
        inverted = torch.rand(batch, generator=generator) < 0.5
        if self.inverted is not None:
            inverted = torch.full_like(inverted, self.inverted)
        applied = torch.rand(batch, generator=generator) < self.probability
        return BezierDraw(points=points.reshape(-1, 2, 2), inverted=inverted, applied=applied)

    @torch.no_grad()
    def apply(self, images: Tensor, draw: BezierDraw) -> Tensor:
        """Applies a draw on the device of the batch.

        Args:
            images: Shape (B, C, *spatial), any floating dtype; computed in float32.
            draw: From `draw` with this shape.

        Returns:
            A new tensor of the same shape, dtype and device, without gradient.
        """
        result = images.detach().clone()
        chosen = draw.applied.nonzero().flatten()  # on the CPU: no wait for the device
        if not len(chosen):
            return result
        x, y = curve_table(draw.points[chosen], inverted=draw.inverted[chosen])
        index = chosen.to(images.device, non_blocking=True)
        source = result[index].float().flatten(1)
        with torch.autocast(images.device.type, enabled=False):
            low = source.amin(dim=1, keepdim=True)
            extent = source.amax(dim=1, keepdim=True) - low
            # A constant sample has no extent: it counts as the dark end.
            scaled = (source - low) / extent.clamp_min(torch.finfo(extent.dtype).tiny)
            curve = interpolate(
                scaled,
                x=x.to(images.device, non_blocking=True),
                y=y.to(images.device, non_blocking=True),
            )
            changed = low + extent * curve
            if self.keep_minimum:
                changed = torch.where(source == low, low, changed)
        result[index] = changed.reshape(len(chosen), *images.shape[1:]).to(images.dtype)
        return result


def curve_table(points: Tensor, *, inverted: Tensor) -> tuple[Tensor, Tensor]:
    """Samples the curves.

    Args:
        points: Shape (B, 2, 2): inner control points.
        inverted: Shape (B,), bool.

    Returns:
        x, never falling from 0 to 1, and y, both of shape (B, TABLE_SIZE) in [0, 1].
    """
    t = torch.linspace(0, 1, TABLE_SIZE)
    first, second, last = 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
    curve = points[:, 0, :, None] * first + points[:, 1, :, None] * second + last
    x, y = curve.sort(dim=2).values.unbind(1)  # rounding may turn a flat stretch back
    return x.contiguous(), torch.where(inverted[:, None], y.flip(1), y)


def interpolate(values: Tensor, *, x: Tensor, y: Tensor) -> Tensor:
    """Interpolates linearly in a table of its own for each sample.

    Args:
        values: Shape (B, N), within the range of x.
        x: Shape (B, M), never falling along M.
        y: Shape (B, M).

    Returns:
        Shape (B, N).
    """
    right = torch.searchsorted(x, values, right=True).clamp_(1, x.shape[1] - 1)
    left = right - 1
    x_left, y_left = x.gather(1, left), y.gather(1, left)
    step = (x.gather(1, right) - x_left).clamp_min(torch.finfo(x.dtype).tiny)
    return torch.lerp(y_left, y.gather(1, right), (values - x_left) / step)
