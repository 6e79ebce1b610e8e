"""Surface distances beside MONAI's metrics as they are called by default."""

from __future__ import annotations

import numpy as np
import torch

from fedgin.bench.figures import Figure, speed_up
from fedgin.bench.options import BenchOptions
from fedgin.bench.times import take_turns
from fedgin.metrics.surface import surface_per_class
from fedgin.seeding import numpy_generator

GROUP = "surfaces"
VOLUMES = 100
SHAPE = (48, 96, 96)
SPACING = (4.0, 2.0, 2.0)
TOLERANCE_MM = 3.0
MARK = 3.0
AGREEMENT = 1e-4


def measure_surfaces(options: BenchOptions) -> list[Figure]:
    """Times HD95 and normalised surface Dice of 100 pairs of ellipsoids, both ways in turns.

    Raises:
        ValueError: The two ways differ.
    """
    pairs = [_pair(number) for number in range(VOLUMES)]
    found: dict[str, np.ndarray] = {}

    def ours() -> None:
        found["ours"] = np.array([_ours(*pair) for pair in pairs])

    def theirs() -> None:
        found["MONAI"] = np.array([_theirs(*pair) for pair in pairs])

    times = take_turns({"ours": ours, "MONAI": theirs}, repeats=3, warm_up=1)
    worst = float(np.abs(found["ours"] - found["MONAI"]).max())
    if worst > AGREEMENT:
        raise ValueError(f"the distances differ from MONAI's by up to {worst:.2g}")
    return [
        speed_up(
            GROUP,
            f"HD95 and NSD of {VOLUMES} volumes of {' x '.join(map(str, SHAPE))}",
            ours=times["ours"],
            theirs=times["MONAI"],
            against="MONAI's two metrics",
            at_least=MARK,
            note=f"values differ by at most {worst:.0e}",
        )
    ]


def _pair(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Makes a prediction and a truth: two ellipsoids a few voxels apart."""
    generator = numpy_generator("bench surfaces", number)
    radii = np.array([12.0, 24.0, 22.0])[:, None, None, None] * generator.uniform(0.6, 1.2)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"))
    centre = np.array(SHAPE)[:, None, None, None] / 2
    masks = []
    for _ in range(2):
        shift = generator.uniform(-2, 2, size=(3, 1, 1, 1))
        masks.append((((grid - centre - shift) / radii) ** 2).sum(axis=0) < 1)
    prediction, truth = (mask.astype(np.uint8) for mask in masks)
    return prediction, truth


def _ours(prediction: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    scores = surface_per_class(
        prediction, truth, n_classes=2, spacing=SPACING, tolerance_mm=TOLERANCE_MM
    )
    return float(scores.hd95[0]), float(scores.nsd[0])


def _theirs(prediction: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice
    from monai.networks import one_hot

    hot = [one_hot(torch.from_numpy(one)[None, None], num_classes=2) for one in (prediction, truth)]
    hd95 = compute_hausdorff_distance(*hot, percentile=95, spacing=SPACING)
    nsd = compute_surface_dice(*hot, class_thresholds=[TOLERANCE_MM], spacing=SPACING)
    return float(hd95[0, 0]), float(nsd[0, 0])
