"""How much a reconstructed image resembles the true one."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter

WINDOW = 7
K1, K2 = 0.01, 0.03


def psnr(image: np.ndarray, truth: np.ndarray, *, data_range: float) -> float:
    """Computes the peak signal-to-noise ratio, 10 log10(data_range^2 / mean squared error).

    Args:
        image: Any shape.
        truth: The same shape.
        data_range: Difference of the largest and the smallest possible value.

    Returns:
        dB; infinite for equal images.
    """
    error = float(np.mean((np.asarray(image, np.float64) - np.asarray(truth, np.float64)) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(data_range**2 / error))


def ssim(image: np.ndarray, truth: np.ndarray, *, data_range: float) -> float:
    """Computes the mean structural similarity (Wang et al., IEEE TIP 2004, equation 13).

    Means, variances and covariance are taken in square windows of 7 x 7 pixels with equal weights,
    and only where the window lies inside the image.

    Args:
        image: Shape (height, width), at least 7 x 7.
        truth: The same shape.
        data_range: Difference of the largest and the smallest possible value.

    Returns:
        At most 1, which equal images have.
    """
    a, b = np.asarray(image, np.float64), np.asarray(truth, np.float64)
    mean_a, mean_b = uniform_filter(a, WINDOW), uniform_filter(b, WINDOW)
    var_a = uniform_filter(a * a, WINDOW) - mean_a**2
    var_b = uniform_filter(b * b, WINDOW) - mean_b**2
    covariance = uniform_filter(a * b, WINDOW) - mean_a * mean_b
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    index = ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)) / (
        (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    )
    edge = WINDOW // 2
    return float(index[edge:-edge, edge:-edge].mean())
