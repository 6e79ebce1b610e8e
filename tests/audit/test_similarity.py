"""SSIM and PSNR against MONAI and against the formula, window by window."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.metrics import PSNRMetric, SSIMMetric

from fedgin.audit.similarity import psnr, ssim


def pair(seed: int, *, noise: float) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = np.cumsum(generator.normal(0, 0.2, size=(20, 24)), axis=1)
    return truth + generator.normal(0, noise, size=truth.shape), truth


@pytest.mark.parametrize("noise", [0.01, 0.3, 3.0])
def test_ssim_is_the_formula_in_every_window(noise: float) -> None:
    image, truth = pair(1, noise=noise)
    values = []
    for y in range(truth.shape[0] - 6):
        for x in range(truth.shape[1] - 6):
            a, b = image[y : y + 7, x : x + 7], truth[y : y + 7, x : x + 7]
            cross = np.mean((a - a.mean()) * (b - b.mean()))
            values.append(
                (2 * a.mean() * b.mean() + 0.02**2)
                * (2 * cross + 0.06**2)
                / ((a.mean() ** 2 + b.mean() ** 2 + 0.02**2) * (a.var() + b.var() + 0.06**2))
            )
    assert ssim(image, truth, data_range=2.0) == pytest.approx(np.mean(values), abs=1e-9)


@pytest.mark.parametrize("noise", [0.01, 0.3, 3.0])
def test_both_agree_with_monai(noise: float) -> None:
    image, truth = pair(2, noise=noise)
    first, second = (torch.from_numpy(array)[None, None].float() for array in (image, truth))
    theirs = SSIMMetric(2, data_range=2.0, win_size=7, kernel_type="uniform")(first, second)
    assert ssim(image, truth, data_range=2.0) == pytest.approx(float(theirs), abs=1e-4)
    theirs = PSNRMetric(max_val=2.0)(first, second)
    assert psnr(image, truth, data_range=2.0) == pytest.approx(float(theirs), abs=1e-3)


def test_equal_images_have_the_largest_values() -> None:
    _, truth = pair(3, noise=0)
    assert ssim(truth, truth, data_range=2.0) == pytest.approx(1.0)
    assert psnr(truth, truth, data_range=2.0) == math.inf
