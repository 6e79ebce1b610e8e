"""Rendering as MR: sequence contrast, receive bias, blur and Rician noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from fedgin.data.phantom.fields import RandomField
from fedgin.data.phantom.grid import Grid
from fedgin.data.phantom.mr_signal import signal
from fedgin.data.phantom.mr_values import MR_SEQUENCES, MR_TISSUES, Relaxation
from fedgin.data.phantom.scene import Scene, paint


@dataclass(frozen=True)
class MrDraw:
    """One patient's MR scan.

    Attributes:
        values: Signal of each tissue, arbitrary units, before the receive bias.
        gain: Overall scale of the scanner's units.
        noise: Standard deviation of the noise in either channel, in the same units.
        bias: Range of the receive bias over the volume, relative to its mean.
    """

    values: dict[str, float]
    gain: float
    noise: float
    bias: float


def draw_mr(rng: np.random.Generator, protocol: str) -> MrDraw:
    """Draws a patient's signals, gain, noise and bias.

    T1 and T2 vary by about 6 % and 8 % between patients, as the standard deviations in
    de Bazelaire et al., Radiology 2004;230:652-659.
    """
    sequence = MR_SEQUENCES[protocol]
    gain = float(np.exp(rng.uniform(np.log(400), np.log(1600))))
    values = {}
    for name, row in MR_TISSUES.items():
        one, two = np.exp(np.clip(rng.normal(0, (0.06, 0.08)), -0.16, 0.16))
        own = Relaxation(row.t1 * one, row.t2 * two, row.density, row.within)
        values[name] = gain * signal(name, own, sequence)
    noise = values["muscle"] * float(rng.uniform(*sequence.noise))
    return MrDraw(values, gain, noise, float(rng.uniform(0.26, 0.34)))


def bias_field(grid: Grid, spread: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth receive field: 1 on average of its extremes, `spread` from low to high."""
    raw = RandomField.draw(rng, (350, 800), count=12).on_grid(grid)
    low, high = float(raw.min()), float(raw.max())
    return np.asarray(1 + spread * ((raw - low) / (high - low) - 0.5), np.float32)


def render_mr(
    scene: Scene, grid: Grid, draw: MrDraw, *, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Renders a scene as a magnitude MR image.

    Returns:
        The image in arbitrary units, float32, and the labels, uint8.
    """
    texture = RandomField.draw(rng, (9, 30), count=40).on_grid(grid)

    def value(tissue: str, box: tuple[slice, ...]) -> np.ndarray | np.float32:
        mean = np.float32(draw.values[tissue])
        within = mean * np.float32(MR_TISSUES[tissue].within)
        return mean if within == 0 else np.asarray(mean + within * texture[box])

    image, label = paint(scene, grid, value)
    image = ndimage.gaussian_filter(image, (0.4, 0.4, 0.35), truncate=3)
    image *= bias_field(grid, draw.bias, rng)
    real = image + np.float32(draw.noise) * rng.standard_normal(grid.shape, dtype=np.float32)
    imaginary = np.float32(draw.noise) * rng.standard_normal(grid.shape, dtype=np.float32)
    return np.hypot(real, imaginary), label
