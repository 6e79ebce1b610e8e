"""The rules of a plan, against nnU-Net's stated heuristics worked out on the raw values."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from made_cases import ABDOMEN, MEMORY, made_cases

from fedgin.engine.memory_need import memory_need
from fedgin.errors import DataError
from fedgin.fingerprint.bins import CT_INTENSITY, MR_INTENSITY, SIZE, SPACING, Bins, bins_of
from fedgin.fingerprint.case_facts import to_votes
from fedgin.fingerprint.document import ModalityCounts, merge
from fedgin.fingerprint.memory_class import GIB, MEMORY_CLASSES, memory_class, smallest_class
from fedgin.fingerprint.network_rules import MEMORY_SHARE, StepMemory, plan_network
from fedgin.fingerprint.plan import Plan
from fedgin.fingerprint.plan_rules import derive_plan
from fedgin.fingerprint.release import EXACT, release
from fedgin.settings import make_settings


def binned(bins: Bins, values: np.ndarray) -> tuple[int, ...]:
    return tuple(np.bincount(bins.index(values), minlength=bins.number).tolist())


def counted(
    modality: str = "CT", *, spacing: np.ndarray, size: np.ndarray, **more: tuple[int, ...]
) -> dict[str, ModalityCounts]:
    """Counts of cases with these spacings and sizes in mm, both (cases, 3)."""
    histograms = {name: (0,) * b.number for name, b in bins_of(modality, ABDOMEN).items()}
    for axis, name in enumerate("xyz"):
        histograms[f"spacing_{name}"] = binned(SPACING, spacing[:, axis])
        histograms[f"size_{name}"] = binned(SIZE, size[:, axis])
    return {modality: ModalityCounts(cases=len(spacing), histograms={**histograms, **more})}


def plan(
    merged: dict[str, ModalityCounts],
    step: StepMemory,
    *,
    dims: int = 2,
    memory: tuple[str, ...] = (MEMORY,),
) -> Plan:
    return derive_plan(merged, task=ABDOMEN, dims=dims, memory=memory, step=step)


def cases(count: int, spacing: tuple[float, ...], voxels: tuple[int, ...]) -> dict[str, np.ndarray]:
    values = np.tile(spacing, (count, 1))
    return {"spacing": values, "size": values * voxels}


def test_the_plane_has_its_median_and_slices_stay(step: StepMemory) -> None:
    generator = np.random.default_rng(0)
    plane = generator.uniform(0.6, 1.0, 301)
    spacing = np.stack([plane, plane, generator.uniform(1, 5, 301)], axis=1)
    found = plan(counted(spacing=spacing, size=spacing * [512, 512, 100]), step)
    x, y, z = found.spacing
    assert x == y == pytest.approx(np.median(plane), abs=0.1)
    assert z is None
    assert found.spatial_dims == 2


@pytest.mark.parametrize(
    ("spacing", "voxels", "anisotropic"),
    [
        ((0.8, 0.8, 5.0), (400, 400, 40), True),  # coarse in spacing and in voxels
        ((0.8, 0.8, 5.0), (90, 90, 40), False),  # as many slices as a third of the plane
        ((1.5, 1.5, 3.0), (200, 200, 40), False),  # spacing only twice as coarse
    ],
)
def test_a_coarse_axis_takes_its_tenth_percentile(
    step_3d: StepMemory, spacing: tuple[float, ...], voxels: tuple[int, ...], anisotropic: bool
) -> None:
    values = cases(100, spacing, voxels)
    values["spacing"][:30, 2] /= 2  # 30 of 100 are finer
    found = plan(counted(**values), step_3d, dims=3).spacing[2]
    fine = np.percentile(values["spacing"][:, 2], 10)
    wanted = fine if anisotropic else np.median(values["spacing"][:, 2])
    assert found == pytest.approx(wanted, abs=0.1)


def test_the_window_is_that_of_the_pooled_voxels_of_all_cases(step: StepMemory) -> None:
    generator = np.random.default_rng(1)
    means = generator.uniform(0, 150, 40)
    voxels = [generator.normal(mean, 40, 5000) for mean in means]
    votes = [to_votes(np.asarray(binned(CT_INTENSITY, v))) for v in voxels]
    histogram = tuple(np.sum(votes, axis=0).tolist())
    merged = counted(**cases(40, (1.0, 1.0, 2.0), (300, 300, 90)), intensity=histogram)
    found = plan(merged, step).ct_window
    assert found == pytest.approx(np.percentile(np.concatenate(voxels), [0.5, 99.5]), abs=8.0)


def test_mr_is_clipped_less_where_structures_are_bright(step: StepMemory) -> None:
    generator = np.random.default_rng(2)
    for ranks in (
        generator.uniform(40, 99, 5000),
        generator.uniform(40, 100, 5000),
        np.full(5000, 99.95),
    ):
        wanted = max(99.5, math.ceil(10 * np.percentile(ranks, 99.5)) / 10)
        merged = counted(
            "MR",
            **cases(9, (1.0, 1.0, 2.0), (300, 300, 90)),
            intensity=binned(MR_INTENSITY, ranks),
        )
        found = plan(merged, step)
        assert found.mr_percentile == wanted
        assert np.mean(ranks <= found.mr_percentile) >= 0.995
        assert found.ct_window is None


def test_sites_of_one_modality_make_a_plan(step: StepMemory) -> None:
    for modality in ("CT", "MR"):
        facts = made_cases(9, modality=modality)
        merged = merge([release(facts, task=ABDOMEN, policy=EXACT, memory=MEMORY)])
        found = plan(merged, step)
        assert list(found.cases) == [modality]
        assert (found.ct_window is None) == (modality == "MR")
        assert (found.mr_percentile is None) == (modality == "CT")


@pytest.mark.parametrize("memory", ["cpu-4", "cuda-8"])
@pytest.mark.parametrize("dims", [2, 3])
def test_patch_and_batch_fit_the_smallest_device_and_no_larger_batch_would(
    step: StepMemory, step_3d: StepMemory, memory: str, dims: int
) -> None:
    merged = counted(**cases(200, (0.8, 0.8, 1.5), (512, 512, 200)))
    counter = step if dims == 2 else step_3d
    found = plan(merged, counter, dims=dims, memory=("cuda-80", memory))
    assert found.memory == memory
    usable = {"cpu-4": 2, "cuda-8": 8}[memory] * GIB * MEMORY_SHARE

    def training_bytes(batch: int) -> int:
        resolved = make_settings(task="abdomen", **{**found.settings(), "batch_size": batch})
        return memory_need(resolved).training

    # By the count of the very step, which the plan's own is a formula for.
    assert training_bytes(found.batch_size) <= usable
    if found.batch_size < 64:
        assert training_bytes(found.batch_size + 1) > 0.97 * usable
    assert found.batch_size >= 2


def test_more_memory_never_makes_the_patch_smaller(step_3d: StepMemory) -> None:
    merged = counted(**cases(200, (0.8, 0.8, 1.5), (512, 512, 200)))
    work = [
        math.prod(found.patch_size)
        for size in (4, 8, 16, 40, 80)
        if (found := plan(merged, step_3d, dims=3, memory=(f"cuda-{size}",)))
    ]
    assert work == sorted(work)


def test_a_batch_covers_five_percent_of_all_voxels_at_most(step: StepMemory) -> None:
    few = plan_network((96.0, 96.0), cases=10, depth=20, memory="cuda-80", step=step)
    # 5 % of 200 slices are 10.
    assert few.batch_size == 10
    least = plan_network((96.0, 96.0), cases=1, depth=4, memory="cuda-80", step=step)
    assert least.batch_size == 2


@pytest.mark.parametrize(
    ("edge", "levels"), [(16, 3), (31, 3), (32, 4), (96, 5), (128, 6), (512, 6)]
)
def test_depth_leaves_four_voxels_along_an_edge(step: StepMemory, edge: int, levels: int) -> None:
    found = plan_network((edge, edge), cases=99, depth=99, memory="cuda-24", step=step)
    assert len(found.channels) == levels
    assert found.channels == tuple(min(32 * 2**n, 512) for n in range(levels))
    assert all(size % 2 ** (levels - 1) == 0 for size in found.patch_size)
    assert all(0 <= size - edge < 2 ** (levels - 1) for size in found.patch_size)


def test_without_a_gpu_the_network_is_narrower(step: StepMemory) -> None:
    merged = counted(**cases(20, (2.0, 2.0, 3.0), (128, 128, 60)))
    wide, narrow = (plan(merged, step, memory=(name,)) for name in ("cuda-8", "cpu-64"))
    assert wide.channels[0] == 2 * narrow.channels[0] == 32


def test_counts_that_were_lost_leave_the_task_s_default_and_say_so(step: StepMemory) -> None:
    merged = counted(**cases(9, (0.8, 0.8, 2.0), (300, 300, 90)))
    empty = {name: (0,) * b.number for name, b in bins_of("CT", ABDOMEN).items()}
    lost = {"CT": replace(merged["CT"], histograms=empty)}
    found = plan(lost, step)
    assert found.spacing == ABDOMEN.geometry[2].spacing
    assert found.ct_window is None
    assert {note.split(":")[0] for note in found.notes} == {"spacing", "size", "CT intensities"}
    # What is half there is used, and what may be missing is said.
    partly = {**merged["CT"].histograms, "intensity": tuple([0] * 150 + [1000] * 6 + [0] * 228)}
    found = plan({"CT": replace(merged["CT"], histograms=partly)}, step)
    assert found.ct_window is None or found.ct_window[0] >= CT_INTENSITY.edges[150]
    assert any("33% of the cases' share did not leave" in note for note in found.notes)


def test_no_case_is_no_plan(step: StepMemory) -> None:
    with pytest.raises(DataError, match="no case was counted"):
        plan({}, step)


def test_classes_of_memory() -> None:
    assert memory_class("cuda", int(79.1 * GIB)) == "cuda-80"
    assert memory_class("cuda", int(7.8 * GIB)) == "cuda-8"
    assert memory_class("cuda", int(7.0 * GIB)) == "cuda-6"
    assert memory_class("cuda", GIB // 2) == "cuda-2"
    assert memory_class("cpu", 10**15) == "cpu-64"
    # Whatever its memory, a CPU counts as a device of 2 GiB at most.
    assert smallest_class(["cuda-80", "cuda-4", "cuda-24"]) == "cuda-4"
    assert smallest_class(["cuda-4", "cpu-64"]) == "cpu-64"
    assert smallest_class(["cuda-2", "cpu-8"]) == "cpu-8"
    assert len(set(MEMORY_CLASSES)) == len(MEMORY_CLASSES)
