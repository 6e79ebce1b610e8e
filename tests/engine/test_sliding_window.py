"""Sliding windows: MONAI's places, weights and scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data.utils import compute_importance_map, dense_patch_slices
from monai.inferers import sliding_window_inference
from monai.inferers.utils import _get_scan_interval

from fedgin.engine.sliding_window import gaussian_weights, slide_windows, window_places

CPU = torch.device("cpu")


def draw(generator: np.random.Generator, low: int, high: int, count: int) -> list[int]:
    return [int(value) for value in generator.integers(low, high, size=count)]


@pytest.mark.parametrize("case", range(60))
def test_the_scores_are_monai_s(case: int) -> None:
    generator = np.random.default_rng(case)
    dims = 2 + case % 2
    size, window = draw(generator, 3, 40 // dims, dims), draw(generator, 2, 30 // dims, dims)
    overlap = float(generator.choice([0, 0.25, 0.5, 0.7, 0.9]))
    images = torch.from_numpy(generator.normal(size=(3, 2, *size)).astype(np.float32))
    shade = torch.from_numpy(generator.normal(size=window).astype(np.float32))

    def network(batch: torch.Tensor) -> torch.Tensor:
        # Depends on where in its window a voxel lies, as scores near a window's border do.
        return torch.cat([batch * shade, batch.flip(-1) + shade], dim=1)

    expected = sliding_window_inference(
        images,
        roi_size=window,
        sw_batch_size=4,
        predictor=network,
        overlap=overlap,
        mode="gaussian",
        cval=-1.5,
    )
    found = slide_windows(
        images, network=network, window=window, overlap=overlap, at_once=4, padding=-1.5
    )
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("at_once", [1, 2, 5, 8])
@pytest.mark.parametrize("window", [(12, 10), (30, 40)])
def test_passes_at_the_same_time_give_the_same_scores_and_share_the_windows(
    window: tuple[int, int], at_once: int
) -> None:
    generator = torch.Generator().manual_seed(at_once)
    images = torch.randn(3, 1, 25, 33, generator=generator)
    layer = torch.nn.Conv2d(1, 3, 3, padding=1)
    sizes: list[int] = []

    def network(batch: torch.Tensor) -> torch.Tensor:
        sizes.append(len(batch))
        found: torch.Tensor = layer(batch)
        return found

    one, several = (
        slide_windows(
            images,
            network=network,
            window=window,
            overlap=0.5,
            at_once=at_once,
            padding=0.0,
            threads=threads,
        )
        for threads in (1, 3)
    )
    torch.testing.assert_close(several, one, rtol=1e-5, atol=1e-6)
    half = len(sizes) // 2
    most = at_once // 3 if at_once >= 3 else at_once
    assert max(sizes[-half:]) <= most


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("window", [(16, 8), (33, 7)])
def test_windows_lie_where_monai_places_them(window: tuple[int, int], overlap: float) -> None:
    for extra in range(0, 90):
        size = (window[0] + extra, window[1] + 2 * extra)
        step = _get_scan_interval(size, window, 2, (overlap, overlap))
        assert window_places(size, window, overlap) == dense_patch_slices(size, window, step)


@pytest.mark.parametrize("window", [(1,), (5, 4), (96, 96), (7, 32, 9)])
def test_the_weights_are_monai_s(window: tuple[int, ...]) -> None:
    expected = compute_importance_map(window, mode="gaussian")
    assert torch.equal(gaussian_weights(window, device=CPU), expected)


def test_the_windows_of_a_pass_are_at_most_those_asked_for() -> None:
    sizes: list[int] = []

    def network(batch: torch.Tensor) -> torch.Tensor:
        sizes.append(len(batch))
        return batch

    slide_windows(
        torch.zeros(3, 1, 20, 20),
        network=network,
        window=(10, 10),
        overlap=0.0,
        at_once=5,
        padding=0.0,
    )
    assert sizes == [5, 5, 2]


def test_several_outputs_are_refused() -> None:
    with pytest.raises(TypeError, match="tuple"):
        slide_windows(
            torch.zeros(1, 1, 8, 8),
            network=lambda batch: (batch, batch),  # type: ignore[arg-type, return-value]
            window=(8, 8),
            overlap=0.0,
            at_once=1,
            padding=0.0,
        )
