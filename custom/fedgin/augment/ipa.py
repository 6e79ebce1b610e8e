"""IPA: two GIN copies of an image, blended by a smooth random map.

Source: Ouyang et al., "Causality-inspired Single-source Domain Generalization for Medical Image
Segmentation", IEEE TMI 2022 (arXiv 2111.12525), interventional pseudo-correlation augmentation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fedgin.augment.gin import Gin, GinDraw

SPACING = 48


@dataclass(frozen=True)
class IpaDraw:
    """The random numbers of one call, on the CPU in float32.

    Attributes:
        first: Draw of the first GIN copy.
        second: Draw of the second.
        control: Shape (B, *control points): values of the map at its control points.
    """

    first: GinDraw
    second: GinDraw
    control: Tensor


class Ipa:
    """Draws and applies blends of two GIN copies for batches in 2D or 3D.

        out = map * g1(x) + (1 - map) * g2(x)

    The map is a quadratic B-spline with control points `spacing` voxels apart along every axis and
    standard normal values at them, scaled to [0, 1] by its minimum and maximum in each sample. The
    original's other view is the complement: the same copies with the map's roles exchanged, which a
    second transform with `complement` gives from the same draw.
    """

    def __init__(self, gin: Gin, *, spacing: int = SPACING, complement: bool = False) -> None:
        """Sets the law that draws follow.

        Args:
            gin: Draws and applies the copies.
            spacing: Distance of the map's control points in voxels; 48 as released.
            complement: Blend by 1 - map instead of map.
        """
        self.gin = gin
        self.spacing = spacing
        self.complement = complement

    def draw(self, shape: Sequence[int], *, generator: torch.Generator) -> IpaDraw:
        """Draws the parameters for a batch of shape (B, C, *spatial)."""
        first = self.gin.draw(shape, generator=generator)
        second = self.gin.draw(shape, generator=generator)
        counts = [_control_points(size, spacing=self.spacing) for size in shape[2:]]
        control = torch.randn(shape[0], *counts, generator=generator)
        return IpaDraw(first=first, second=second, control=control)

    @torch.no_grad()
    def apply(self, images: Tensor, draw: IpaDraw) -> Tensor:
        """Applies a draw on the device of the batch.

        Args:
            images: Shape (B, C, *spatial), any floating dtype; computed in float32.
            draw: From `draw` with this shape.

        Returns:
            A new tensor of the same shape, dtype and device, without gradient.
        """
        source = images.detach().float()
        first = self.gin.apply(source, draw.first)
        second = self.gin.apply(source, draw.second)
        if self.complement:
            first, second = second, first
        control = draw.control.to(images.device, non_blocking=True)
        with torch.autocast(images.device.type, enabled=False):
            share = smooth_map(control, space=images.shape[2:], spacing=self.spacing)
            return torch.lerp(second, first, share).to(images.dtype)


def smooth_map(control: Tensor, *, space: Sequence[int], spacing: int) -> Tensor:
    """Interpolates control values smoothly and scales the result to [0, 1].

    Args:
        control: Shape (B, *control points), as many along each axis as `spline_basis` has columns.
        space: Spatial shape of the map.
        spacing: Distance of the control points in voxels.

    Returns:
        Shape (B, 1, *space), in each sample from 0 to 1.
    """
    field = control
    for size in space:
        # Each turn uses up the first axis after the batch and puts the voxels' axis last.
        basis = spline_basis(size, spacing=spacing).to(control.device, non_blocking=True)
        field = torch.tensordot(field, basis, dims=([1], [1]))
    flat = field.flatten(1)
    low = flat.amin(dim=1, keepdim=True)
    extent = (flat.amax(dim=1, keepdim=True) - low).clamp_min(torch.finfo(flat.dtype).tiny)
    return ((flat - low) / extent).reshape(field.shape).unsqueeze(1)


def spline_basis(size: int, *, spacing: int) -> Tensor:
    """Evaluates the quadratic B-splines of an axis.

    The control points -1, 0, 1, ... lie at voxel -spacing, 0, spacing, ..., as far as they reach
    into the axis.

    Returns:
        Shape (size, control points): each control point's weight in each voxel; rows sum to 1.
    """
    count = _control_points(size, spacing=spacing)
    voxel = torch.arange(size)[:, None] / spacing
    distance = (voxel - torch.arange(-1, count - 1)).abs()
    inner = 0.75 - distance**2
    outer = 0.5 * (1.5 - distance).clamp_min(0) ** 2
    return torch.where(distance < 0.5, inner, outer)


def _control_points(size: int, *, spacing: int) -> int:
    """Counts the control points, from -1 on, whose splines (3 spacings wide) reach into an axis."""
    return math.ceil((size - 1) / spacing + 0.5) + 2
