"""Where a network halves its features: alike along all axes, or fewer times along thick slices.

The rule is nnU-Net's (Isensee et al., Nature Methods 2021, doi 10.1038/s41592-020-01008-z): from
level to level an axis is halved while its voxels are less than twice as long as the shortest ones,
and convolved over while they are or have been so. nnU-Net also bounds the number of levels by the
patch; here `channels` says how many there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fedgin.errors import ConfigError, Problem
from fedgin.settings import ResolvedSettings

Spacing = tuple[float | None, float | None, float | None]

ANISOTROPIC = 2.0
"""Ratio of voxel edges from which on an axis waits for the others."""


@dataclass(frozen=True)
class Levels:
    """How a network's levels lie on the patch, with axes in the patch's order.

    Attributes:
        strides: By level after the first, the stride that leads to it: 1 or 2 along each axis.
        kernels: By level, the kernel's edges: 1 or 3 along each axis.
    """

    strides: tuple[tuple[int, ...], ...]
    kernels: tuple[tuple[int, ...], ...]

    @property
    def factors(self) -> tuple[int, ...]:
        """Patch voxels along each axis that become one at the last level."""
        return tuple(math.prod(column) for column in zip(*self.strides, strict=True))


def plan_levels(*, dims: int, levels: int, spacing: Spacing) -> Levels:
    """Chooses strides and kernels for a spacing.

    Where a spacing along the patch is not known before the volumes are (null), all axes are halved
    at every level, as they are with equal spacings.

    Args:
        dims: Spatial dimensions, 2 or 3.
        levels: Number of levels, at least 2.
        spacing: mm along x, y, z.
    """
    along_patch = spacing[:dims][::-1]  # a patch is (y, x) or (z, y, x)
    known = [edge for edge in along_patch if edge is not None]
    edges = known if len(known) == dims else [1.0] * dims
    convolved = [False] * dims
    strides: list[tuple[int, ...]] = []
    kernels: list[tuple[int, ...]] = []
    for level in range(levels):
        near = [edge < ANISOTROPIC * min(edges) for edge in edges]
        convolved = [before or now for before, now in zip(convolved, near, strict=True)]
        kernels.append(tuple(3 if axis else 1 for axis in convolved))
        if level + 1 < levels:
            strides.append(tuple(2 if axis else 1 for axis in near))
            edges = [edge * step for edge, step in zip(edges, strides[-1], strict=True)]
    return Levels(strides=tuple(strides), kernels=tuple(kernels))


def network_levels(settings: ResolvedSettings) -> Levels:
    """Returns how the levels of a run's network lie on its patch."""
    geometry = settings.geometry
    return plan_levels(
        dims=settings.training.spatial_dims,
        levels=len(geometry.channels),
        spacing=geometry.spacing,
    )


def check_patch(
    patch_size: tuple[int, ...], *, levels: int, spacing: Spacing = (None, None, None)
) -> None:
    """Checks that a patch can be halved as the levels want it.

    Args:
        patch_size: Voxels, (y, x) or (z, y, x).
        levels: Number of levels.
        spacing: mm along x, y, z.

    Raises:
        ConfigError: It cannot.
    """
    factors = plan_levels(dims=len(patch_size), levels=levels, spacing=spacing).factors
    if all(not s % f and s >= 2 * f for s, f in zip(patch_size, factors, strict=True)):
        return
    wanted = [max(2, math.ceil(s / f)) * f for s, f in zip(patch_size, factors, strict=True)]
    if len(set(factors)) == 1:
        rule = f"each size must be a multiple of {factors[0]} and at least {2 * factors[0]}"
    else:
        rule = (
            f"and spacing {_text(spacing)} the sizes must be multiples of "
            f"{_text(factors)} and at least twice that"
        )
    raise ConfigError(
        Problem(
            "key 'patch_size'",
            f"with {levels} levels of channels {rule}",
            _text(patch_size),
            f"use for example {_text(wanted)}",
        )
    )


def _text(numbers: Sequence[float | None]) -> str:
    return str([number if number is not None else "null" for number in numbers]).replace("'", "")
