"""Geometric augmentation: rotation, scaling, mild elastic deformation, mirroring where allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class GeometricDraw:
    """The random numbers of one call, on the CPU in float32.

    Attributes:
        matrix: Shape (B, d, d): from output to input positions in voxels, centred on the patch.
        displacement: Shape (B, d, *control): elastic displacement in voxels at control points.
            Axes are ordered as the array's spatial axes.
    """

    matrix: Tensor
    displacement: Tensor


class Geometric:
    """Draws and applies one smooth deformation per sample to images and labels alike."""

    def __init__(
        self,
        *,
        rotation: float = 15.0,
        scale: float = 0.15,
        elastic: float = 1.0,
        control_points: int = 5,
        mirror_axes: Sequence[int] = (),
        spacing: Sequence[float] = (),
    ) -> None:
        """Sets the ranges of the draws.

        Args:
            rotation: Largest angle in degrees, drawn uniformly; about each axis in 3D.
            scale: Largest relative change of size; the factor is drawn log-uniformly.
            elastic: Standard deviation in voxels of the displacement at a control point.
            control_points: Control points along each axis.
            mirror_axes: Array axes (0 is the first spatial one) that are mirrored half of the time.
            spacing: mm along the array axes, so that voxels longer one way than another turn as the
                anatomy would; empty takes them as cubes.
        """
        self.rotation = rotation
        self.scale = scale
        self.elastic = elastic
        self.control_points = control_points
        self.mirror_axes = tuple(mirror_axes)
        self.spacing = tuple(spacing)

    def draw(self, shape: Sequence[int], *, generator: torch.Generator) -> GeometricDraw:
        """Draws the parameters for a batch of shape (B, C, *spatial)."""
        batch, dims = shape[0], len(shape) - 2

        def uniform(*size: int) -> Tensor:
            return 2 * torch.rand(*size, generator=generator) - 1

        planes = [(0, 1)] if dims == 2 else [(0, 1), (0, 2), (1, 2)]
        angles = uniform(batch, len(planes)) * math.radians(self.rotation)
        matrix = torch.eye(dims).repeat(batch, 1, 1)
        for column, (first, second) in enumerate(planes):
            turn = torch.eye(dims).repeat(batch, 1, 1)
            cosine, sine = angles[:, column].cos(), angles[:, column].sin()
            turn[:, first, first] = cosine
            turn[:, second, second] = cosine
            turn[:, first, second] = -sine
            turn[:, second, first] = sine
            matrix = matrix @ turn
        if len(set(self.spacing)) > 1:
            # p = S^-1 R S q, with positions p and q in voxels, R the turn in mm.
            edges = torch.tensor(self.spacing)
            matrix = matrix * edges / edges.unsqueeze(1)
        factor = (uniform(batch, 1, 1) * math.log1p(self.scale)).exp()
        matrix = matrix / factor
        flips = torch.rand(batch, dims, generator=generator) < 0.5
        for axis in self.mirror_axes:
            matrix[:, :, axis] *= torch.where(flips[:, axis], -1.0, 1.0).unsqueeze(1)
        control = (self.control_points,) * dims
        displacement = torch.randn(batch, dims, *control, generator=generator) * self.elastic
        return GeometricDraw(matrix=matrix, displacement=displacement)

    @torch.no_grad()
    def apply(self, images: Tensor, labels: Tensor, draw: GeometricDraw) -> tuple[Tensor, Tensor]:
        """Deforms images (linear interpolation) and labels (nearest neighbour) alike.

        Args:
            images: Shape (B, C, *spatial), floating.
            labels: Shape (B, 1, *spatial), integer class indices below 2**24.
            draw: From `draw` with the shape of the images.

        Returns:
            Images and labels of the same shapes and dtypes. Beyond the border the border's value
            continues.
        """
        grid = self._grid(images, draw)
        deformed = functional.grid_sample(
            images.float(), grid, mode="bilinear", padding_mode="border", align_corners=True
        )
        classes = functional.grid_sample(
            labels.float(), grid, mode="nearest", padding_mode="border", align_corners=True
        )
        return deformed.to(images.dtype), classes.round().to(labels.dtype)

    @staticmethod
    def _grid(images: Tensor, draw: GeometricDraw) -> Tensor:
        """Builds grid_sample's grid: normalised coordinates, last axis first."""
        space = images.shape[2:]
        device = images.device
        half = torch.tensor([max(size - 1, 1) / 2 for size in space], device=device)
        axes = [torch.linspace(-1, 1, size, device=device) for size in space]
        positions = torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1) * half[:, None]
        moved = draw.matrix.to(device, non_blocking=True) @ positions
        smooth = functional.interpolate(
            draw.displacement.to(device, non_blocking=True),
            size=tuple(space),
            mode="bicubic" if len(space) == 2 else "trilinear",
            align_corners=True,
        )
        moved = (moved + smooth.flatten(2)) / half[:, None]
        grid = moved.transpose(1, 2).reshape(images.shape[0], *space, len(space))
        return grid.flip(-1)
