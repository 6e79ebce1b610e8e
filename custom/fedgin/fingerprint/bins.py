"""The bins that every site counts into: fixed, so that counts can be added and tell no extreme.

The first and the last bin of each take whatever lies beyond, so that no smallest or largest value
follows from them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from fedgin.tasks import Task

AXES = ("x", "y", "z")
"""To the right, to the front, to the head."""
VOTES = 1000
"""Counts that the structures' voxels of one case make together in its intensity histogram."""
VOLUME = "volume_"


@dataclass(frozen=True)
class Bins:
    """The bins of one quantity.

    Attributes:
        unit: Unit of the edges.
        edges: Rising bounds, one more than there are bins; a bin holds its lower bound.
        coarse: Neighbouring bins that are added up where noise is added.
        weight: Counts that one case makes.
    """

    unit: str
    edges: tuple[float, ...]
    coarse: int = 1
    weight: int = 1

    @property
    def number(self) -> int:
        """Number of bins."""
        return len(self.edges) - 1

    def index(self, values: np.ndarray) -> np.ndarray:
        """Returns the bin of each value, int64 of the same shape."""
        found = np.searchsorted(np.asarray(self.edges), values, side="right") - 1
        return np.clip(found, 0, self.number - 1)


SPACING = Bins("mm", tuple((2 * i + 1) / 20 for i in range(101)))
"""Centred on tenths of a millimetre, 0.1 to 10.0 mm."""
SIZE = Bins("mm", tuple(20.0 * i for i in range(51)), coarse=2)
"""Edge length of the whole volume: voxels times spacing."""
CT_INTENSITY = Bins("HU", tuple(-1024.0 + 8 * i for i in range(385)), coarse=4, weight=VOTES)
MR_INTENSITY = Bins(
    "% of the volume's voxels at or below",
    (
        *(5.0 * i for i in range(18)),
        *(90.0 + i for i in range(9)),
        *((990 + i) / 10 for i in range(11)),
    ),
    weight=VOTES,
)
"""MR has no unit: a voxel counts by its rank among all voxels of its volume, finer near the top."""
_ML = (0.1, 0.18, 0.32, 0.56, 1.0, 1.8, 3.2, 5.6, 10.0, 18.0, 32.0, 56.0, 100.0, 180.0, 320.0)
VOLUME_ML = Bins("ml", (0.0, *_ML, 560.0, 1000.0, 1800.0, 3200.0, 5600.0, 10000.0))
"""Volume of a structure; the first bin has the cases that show less than 0.1 ml of it, or none."""
INTENSITY: Mapping[str, Bins] = MappingProxyType({"CT": CT_INTENSITY, "MR": MR_INTENSITY})


def bins_of(modality: str, task: Task) -> dict[str, Bins]:
    """Returns all quantities of a modality's summary by name, in the order in which they stand."""
    return {
        **{f"spacing_{axis}": SPACING for axis in AXES},
        **{f"size_{axis}": SIZE for axis in AXES},
        "intensity": INTENSITY[modality],
        **{f"{VOLUME}{name}": VOLUME_ML for name in task.class_names},
    }


def bins_version() -> str:
    """Returns the SHA-256 of all edges and weights: only counts of the same bins can be added."""
    named = {"spacing": SPACING, "size": SIZE, "volume": VOLUME_ML, **INTENSITY}
    content = {name: [bins.edges, bins.weight] for name, bins in sorted(named.items())}
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
