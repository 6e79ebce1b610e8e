"""Sliding windows on a device whose memory runs out above a number of windows."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from torch import nn

from fedgin.data.prepare import PreparedCase
from fedgin.engine.evaluator import evaluate, segment
from fedgin.engine.windows import OutOfMemory, WindowBatch
from fedgin.networks import build_network
from fedgin.settings import ResolvedSettings, make_settings

CPU = torch.device("cpu")


class SmallMemory(nn.Module):
    """A real network on a device that holds so many windows: beyond, torch's own error."""

    def __init__(self, network: nn.Module, *, holds: int) -> None:
        super().__init__()
        self.network = network
        self.holds = holds
        self.sizes: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(images))
        if len(images) > self.holds:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        scores: torch.Tensor = self.network(images)
        return scores


@pytest.fixture
def settings() -> ResolvedSettings:
    return make_settings(task="heart", patch_size=[32, 32], channels=[4, 8], window_batch=16)


def make_case(number: int) -> PreparedCase:
    generator = np.random.default_rng(number)
    return PreparedCase(
        name=f"case-{number}",
        patient=f"p{number}",
        site="a",
        modality="CT",
        image=generator.normal(size=(11, 45, 50)).astype(np.float16),
        label=(generator.random((11, 45, 50)) < 0.5).astype(np.uint8),
        foreground=np.zeros((0, 4), dtype=np.int32),
        spacing=(1.0, 1.0, 1.0),
    )


@pytest.mark.parametrize("holds", [1, 3, 5, 15])
def test_a_volume_is_segmented_as_with_enough_memory(
    holds: int, settings: ResolvedSettings, caplog: pytest.LogCaptureFixture
) -> None:
    network, case = build_network(settings), make_case(0)
    small = SmallMemory(network, holds=holds)
    with caplog.at_level(logging.WARNING):
        found = segment(small, case.image, settings=settings, device=CPU)
    assert np.array_equal(found, segment(network, case.image, settings=settings, device=CPU))
    # The largest power of two below is tried last, and then every pass stays with it.
    kept = 2 ** int(np.log2(holds))
    attempts = [16, 8, 4, 2, 1]
    expected = attempts[: attempts.index(kept) + 1]
    assert list(dict.fromkeys(small.sizes))[: len(expected)] == expected
    told = [record.getMessage() for record in caplog.records]
    assert [f"{size} windows" in text for size, text in zip(expected[1:], told, strict=True)]


def test_later_volumes_start_with_the_number_that_fitted(settings: ResolvedSettings) -> None:
    small = SmallMemory(build_network(settings), holds=4)
    windows = WindowBatch(16)
    evaluate(small, [make_case(0)], settings=settings, device=CPU, windows=windows)
    assert windows.size == 4
    small.sizes.clear()
    evaluate(small, [make_case(1), make_case(2)], settings=settings, device=CPU, windows=windows)
    assert max(small.sizes) == 4


def test_a_device_that_holds_no_window_is_refused_with_a_mend(settings: ResolvedSettings) -> None:
    small = SmallMemory(build_network(settings), holds=0).train()
    with pytest.raises(OutOfMemory) as caught:
        segment(small, make_case(0).image, settings=settings, device=CPU)
    assert small.sizes == [16, 8, 4, 2, 1]
    (problem,) = caught.value.problems
    assert "one window" in problem.found
    assert "patch_size" in problem.mend
    assert small.training  # as it was before


def test_other_errors_of_a_network_are_not_taken_for_missing_memory(
    settings: ResolvedSettings,
) -> None:
    class Broken(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("broken")

    windows = WindowBatch(16)
    with pytest.raises(RuntimeError, match="broken"):
        segment(Broken(), make_case(0).image, settings=settings, device=CPU, windows=windows)
    assert windows.size == 16
