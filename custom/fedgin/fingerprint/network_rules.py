"""Patch, depth and batch that fit the smallest device.

Where nnU-Net's rules are followed their source is Isensee et al., "nnU-Net: a self-configuring
method for deep learning-based biomedical image segmentation", Nature Methods 18, 2021 (preprint
arXiv 1904.08128), and the planner of its released code.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

from fedgin.fingerprint.memory_class import CPU, GIB, usable_gib
from fedgin.settings import make_settings

SMALLEST_MAP = 4
"""Voxels along an edge of the deepest feature map (nnU-Net)."""
LARGEST_PATCH = {2: 512, 3: 192}
"""Voxels along an edge, by dimensions: ours; nnU-Net leaves it to the memory."""
SMALLEST_PATCH = 16
MOST_LEVELS = 6
"""Ours, for the sake of small federations; nnU-Net has up to 8 in 2D."""
BASE_CHANNELS, BASE_CHANNELS_CPU = 32, 16
MOST_CHANNELS = {2: 512, 3: 320}
"""Feature channels double with every level up to here (nnU-Net, as is the base of 32)."""
SMALLEST_BATCH, LARGEST_BATCH = 2, 64
"""nnU-Net trains on two patches at least."""
LARGEST_SHARE = 0.05
"""A batch covers no more of all voxels (nnU-Net)."""
MEMORY_SHARE = 0.75
"""The rest is for workspaces of convolutions, the driver and others."""


@dataclass(frozen=True)
class NetworkPlan:
    """Patch (y, x) or (z, y, x) in voxels, channels by level, patches per step."""

    patch_size: tuple[int, ...]
    channels: tuple[int, ...]
    batch_size: int


class StepMemory:
    """Bytes of a training step by the voxels of its batch; see `fedgin.engine.memory_need`.

    That count is the largest of sums over time, of which each grows evenly with the voxels. It is
    taken at doublings of the voxels, once for each network, and read between them on the straight
    line, which is never below it.
    """

    def __init__(self, task: str, *, dims: int) -> None:
        """Names the task and the number of spatial dimensions."""
        self._task = task
        self._dims = dims
        self._known: dict[tuple[tuple[int, ...], int], int] = {}

    def bytes_of(self, patch_size: Sequence[int], channels: tuple[int, ...], batch: int) -> float:
        """Returns the bytes of a step, or a little more."""
        edge = 2 ** len(channels)
        times = batch * math.prod(patch_size) / (SMALLEST_BATCH * edge**self._dims)
        doublings = max(0, math.floor(math.log2(times)))
        low = self._measured(channels, doublings)
        if times <= 1:
            return low
        high = self._measured(channels, doublings + 1)
        return low + (high - low) * (times / 2**doublings - 1)

    def _measured(self, channels: tuple[int, ...], doublings: int) -> int:
        """Counts a step of two smallest patches, doubled so often."""
        if (channels, doublings) not in self._known:
            from fedgin.engine.memory_need import memory_need

            batch, edges = SMALLEST_BATCH, [max(SMALLEST_PATCH, 2 ** len(channels))] * self._dims
            # Small networks have smaller patches than settings allow; the batch makes up for it.
            voxels = SMALLEST_BATCH * 2 ** (len(channels) * self._dims + doublings)
            axis = 0
            while batch * math.prod(edges) < voxels:
                if batch < LARGEST_BATCH:
                    batch *= 2
                else:
                    edges[axis] *= 2
                    axis = (axis + 1) % self._dims
            settings = make_settings(
                task=self._task,
                spatial_dims=self._dims,
                patch_size=edges,
                channels=channels,
                batch_size=batch,
            )
            self._known[channels, doublings] = memory_need(settings).training
        return self._known[channels, doublings]


def plan_network(
    shape: Sequence[float],
    *,
    cases: int,
    depth: float,
    memory: str,
    step: StepMemory,
) -> NetworkPlan:
    """Chooses patch, levels and batch.

    The patch begins as the median volume (nnU-Net), at most `LARGEST_PATCH` along an edge, and
    shrinks along the axis on which it covers most of that volume until two patches fit the
    smallest device (nnU-Net). The network has as many levels as keep `SMALLEST_MAP` voxels along
    the patch's shortest edge; every level halves all axes alike, which is this package's network,
    where nnU-Net halves an axis of large spacing less often. Edges are rounded up to what can be
    halved so often (nnU-Net). The batch then grows while it fits the memory, and covers at most
    5 % of all voxels (nnU-Net), but `SMALLEST_BATCH` at least.

    Args:
        shape: Median size at the target spacing in voxels, (y, x) or (z, y, x).
        cases: Number of cases.
        depth: Median number of slices of a volume; 1 in 3D, where shape has them.
        memory: Class of the smallest device.
        step: Counts a step's bytes.
    """
    dims = len(shape)
    limit = MEMORY_SHARE * usable_gib(memory) * GIB
    edges = [min(max(round(edge), SMALLEST_PATCH), LARGEST_PATCH[dims]) for edge in shape]
    while True:
        channels = _channels(edges, dims, memory)
        patch = _rounded(edges, len(channels))
        fits = step.bytes_of(patch, channels, SMALLEST_BATCH) <= limit
        if fits or all(edge <= SMALLEST_PATCH for edge in edges):
            break
        covered = [edge / max(whole, 1.0) for edge, whole in zip(edges, shape, strict=True)]
        candidates = [axis for axis in range(dims) if edges[axis] > SMALLEST_PATCH]
        axis = max(candidates, key=lambda a: (covered[a], edges[a], -a))
        edges[axis] = max(SMALLEST_PATCH, edges[axis] - 2 ** (len(channels) - 1))
    voxels = cases * math.prod(shape) * depth
    most = min(LARGEST_BATCH, int(LARGEST_SHARE * voxels / math.prod(patch)))
    fitting = range(SMALLEST_BATCH + 1, most + 1)
    batch = SMALLEST_BATCH + bisect.bisect_right(
        fitting, limit, key=lambda count: step.bytes_of(patch, channels, count)
    )
    return NetworkPlan(patch_size=patch, channels=channels, batch_size=batch)


def _channels(edges: Sequence[int], dims: int, memory: str) -> tuple[int, ...]:
    halvings = int(math.log2(min(edges) / SMALLEST_MAP))
    levels = min(halvings + 1, MOST_LEVELS)
    base = BASE_CHANNELS_CPU if memory.startswith(CPU) else BASE_CHANNELS
    return tuple(min(base * 2**level, MOST_CHANNELS[dims]) for level in range(levels))


def _rounded(edges: Sequence[int], levels: int) -> tuple[int, ...]:
    factor = 2 ** (levels - 1)
    return tuple(max(SMALLEST_PATCH, math.ceil(edge / factor) * factor) for edge in edges)
