"""From the sums of all sites to a plan.

Facts on nnU-Net are from Isensee et al., "nnU-Net: a self-configuring method for deep
learning-based biomedical image segmentation", Nature Methods 18, 2021 (preprint arXiv 1904.08128),
and the planner of its released code. What departs from it is said where it stands.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence

from fedgin.errors import DataError, Problem
from fedgin.fingerprint.bins import (
    AXES,
    CT_INTENSITY,
    MR_INTENSITY,
    SIZE,
    SPACING,
    VOLUME,
    VOLUME_ML,
)
from fedgin.fingerprint.document import ModalityCounts, counts_message
from fedgin.fingerprint.memory_class import smallest_class
from fedgin.fingerprint.network_rules import StepMemory, plan_network
from fedgin.fingerprint.percentiles import centre_at, percentile, upper_edge_at
from fedgin.fingerprint.plan import Plan
from fedgin.settings import MR_CLIP_PERCENTILE
from fedgin.tasks import Task

MEDIAN, LOW, HIGH = 0.5, 0.005, 0.995
ANISOTROPY = 3.0
"""Ratio from which an axis counts as coarse (nnU-Net)."""
COARSE_SHARE = 0.10
"""The coarse axis takes this share's spacing instead of the median (nnU-Net)."""
LEAST_SHARE = 0.5
"""Share of the cases that must be seen in a quantity; policies may have dropped the others."""
WHOLE = 0.99
"""Share below which tails of 0.5 % may be missing."""
LEAST_WINDOW = 50.0
"""HU; a narrower window shows no organ."""

Merged = Mapping[str, ModalityCounts]


def derive_plan(
    merged: Merged,
    *,
    task: Task,
    dims: int,
    memory: Sequence[str],
    step: StepMemory | None = None,
) -> Plan:
    """Derives the plan: a function of the sums alone, so of no division of cases over sites.

    Args:
        merged: Sums by modality; see `document.merge`.
        task: The task.
        dims: 2 for slices, 3 for volumes.
        memory: Classes of the sites' devices, at least one.
        step: Counts a training step's bytes; by default a new one.

    Raises:
        DataError: Nothing was counted.
    """
    if not any(counts.cases for counts in merged.values()) or not memory:
        raise DataError(
            Problem(
                "fingerprint",
                "a plan follows from cases, one at least",
                "no case was counted at any site",
                "see what each site answered; a site with few patients tells nothing",
            )
        )
    notes: list[str] = []
    default = task.geometry[dims]
    spacing = _spacing(merged, dims, default.spacing, notes)
    shape, depth = _shape(merged, dims, spacing, default.patch_size, notes)
    smallest = smallest_class(memory)
    network = plan_network(
        shape,
        cases=_cases(merged),
        depth=depth,
        memory=smallest,
        step=step or StepMemory(task.name, dims=dims),
    )
    return Plan.model_validate(
        {
            "task": task.name,
            "spatial_dims": dims,
            "spacing": spacing,
            "patch_size": network.patch_size,
            "channels": network.channels,
            "batch_size": network.batch_size,
            "ct_window": ct_window(merged, notes),
            "mr_percentile": mr_percentile(merged, notes),
            "memory": smallest,
            "cases": {modality: counts.cases for modality, counts in merged.items()},
            "volumes_ml": volumes_ml(merged, task),
            "fingerprint": counts_hash(merged),
            "notes": tuple(notes),
        }
    )


def counts_hash(merged: Merged) -> str:
    """Returns the SHA-256 of the sums."""
    content = {modality: counts_message(counts) for modality, counts in merged.items()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def ct_window(merged: Merged, notes: list[str]) -> tuple[float, float] | None:
    """Returns the window in whole HU: the 0.5 and 99.5 percentiles of the structures' voxels.

    These are nnU-Net's bounds, which clips CT there; it then scales by mean and deviation, this
    package to [-1, 1]. None leaves the task's own.
    """
    if "CT" not in merged:
        return None
    counts = merged["CT"].histograms["intensity"]
    if _lost(counts, merged["CT"].cases * CT_INTENSITY.weight):
        notes.append("CT intensities: half of the cases show none; the task's window stays")
        return None
    told = sum(counts) / (merged["CT"].cases * CT_INTENSITY.weight)
    if told < WHOLE:
        notes.append(
            f"CT intensities: {1 - told:.0%} of the cases' share did not leave (no structure, or a "
            "site's policy); the window may be narrow"
        )
    low, high = (float(round(percentile(counts, CT_INTENSITY, p))) for p in (LOW, HIGH))
    if high - low < LEAST_WINDOW:
        notes.append(f"CT intensities: {low:g} to {high:g} HU is narrow; the task's window stays")
        return None
    return low, high


def mr_percentile(merged: Merged, notes: list[str]) -> float | None:
    """Returns the percentile of a volume to which MR is clipped: 99.5, or more where that cuts.

    Our own rule (nnU-Net clips no MR): the 99.5 of `fedgin.settings`, unless more than 0.5 %
    of the structures' voxels lie above it; then the bound, in tenths, below which 99.5 % of them
    lie. None leaves the default.
    """
    if "MR" not in merged:
        return None
    counts = merged["MR"].histograms["intensity"]
    if _lost(counts, merged["MR"].cases * MR_INTENSITY.weight):
        notes.append("MR intensities: half of the cases show none; the default percentile stays")
        return None
    return max(MR_CLIP_PERCENTILE, upper_edge_at(counts, MR_INTENSITY, HIGH))


def volumes_ml(merged: Merged, task: Task) -> dict[str, dict[str, float]]:
    """Returns each structure's median volume, by modality, where anything was counted."""
    return {
        modality: {
            name: round(percentile(found, VOLUME_ML, MEDIAN), 2)
            for name in task.class_names
            if sum(found := counts.histograms[f"{VOLUME}{name}"])
        }
        for modality, counts in merged.items()
    }


def _cases(merged: Merged) -> int:
    return sum(counts.cases for counts in merged.values())


def _lost(counts: Sequence[int], expected: int) -> bool:
    """Tells whether too little of what was counted has left the sites to go by."""
    return sum(counts) < max(1.0, LEAST_SHARE * expected)


def _summed(merged: Merged, *names: str) -> list[int]:
    """Adds up histograms of the same bins over modalities and names."""
    parts = [counts.histograms[name] for counts in merged.values() for name in names]
    return [sum(numbers) for numbers in zip(*parts, strict=True)]


def _spacing(
    merged: Merged,
    dims: int,
    default: tuple[float | None, float | None, float | None],
    notes: list[str],
) -> tuple[float | None, float | None, float | None]:
    """Chooses the target spacing.

    In the plane: the median (nnU-Net, which takes it axis by axis), over x and y together, since
    rotations and deformations in the plane want square pixels; CT and MR are counted together. In
    2D a volume keeps its own slices. In 3D the z axis takes its median too, unless it is coarse in
    spacing and in voxels, three times the plane in both: then the 10th percentile, but no finer
    than the plane (nnU-Net).
    """
    plane_counts, z_counts = _summed(merged, "spacing_x", "spacing_y"), _summed(merged, "spacing_z")
    cases = _cases(merged)
    if _lost(plane_counts, 2 * cases) or (dims == 3 and _lost(z_counts, cases)):
        notes.append("spacing: less than half of the cases tell it; the task's default stays")
        return default
    plane = _rounded(centre_at(plane_counts, SPACING, MEDIAN))
    if dims == 2:
        return plane, plane, None
    z = _rounded(centre_at(z_counts, SPACING, MEDIAN))
    sizes = [_summed(merged, f"size_{axis}") for axis in AXES]
    if z / plane > ANISOTROPY and not any(_lost(counts, cases) for counts in sizes):
        x_size, y_size, z_size = (centre_at(counts, SIZE, MEDIAN) for counts in sizes)
        if (max(x_size, y_size) / plane) / (z_size / z) > ANISOTROPY:
            z = max(plane, _rounded(centre_at(z_counts, SPACING, COARSE_SHARE)))
    return plane, plane, z


def _shape(
    merged: Merged,
    dims: int,
    spacing: tuple[float | None, float | None, float | None],
    default: tuple[int, ...],
    notes: list[str],
) -> tuple[list[float], float]:
    """Returns the median size in voxels, (y, x) or (z, y, x), and the slices of a 2D volume."""
    sizes = {axis: _summed(merged, f"size_{axis}") for axis in AXES}
    z_spacing = _summed(merged, "spacing_z")
    wanted = ("y", "x") if dims == 2 else ("z", "y", "x")
    cases = _cases(merged)
    if any(_lost(sizes[axis], cases) for axis in wanted):
        notes.append("size: less than half of the cases tell it; the task's patch is the largest")
        return [float(edge) for edge in default], 1.0
    steps = dict(zip(AXES, spacing, strict=True))
    shape = [
        centre_at(sizes[axis], SIZE, MEDIAN) / step
        for axis in wanted
        if (step := steps[axis]) is not None
    ]
    if dims == 3:
        return shape, 1.0
    if _lost(sizes["z"], cases) or _lost(z_spacing, cases):
        notes.append("slices: less than half of the cases tell them; the batch counts one a volume")
        return shape, 1.0
    slices = centre_at(sizes["z"], SIZE, MEDIAN) / centre_at(z_spacing, SPACING, MEDIAN)
    return shape, max(1.0, math.floor(slices))


def _rounded(value: float) -> float:
    return round(value, 2)
