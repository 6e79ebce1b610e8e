"""Rendering as CT: attenuation, streaks, kernel blur and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from fedgin.data.phantom.ct_values import CT_NOISE, CT_VALUES
from fedgin.data.phantom.fields import RandomField
from fedgin.data.phantom.grid import Grid
from fedgin.data.phantom.scene import Scene, paint


@dataclass(frozen=True)
class CtDraw:
    """One patient's CT.

    Attributes:
        values: Attenuation of each tissue, HU.
        noise: Standard deviation of the noise at the axis, HU.
        blur: In-plane standard deviation of the kernel's blur, voxels.
        streak: Strength of streaks, HU per unit of bone contrast.
    """

    values: dict[str, float]
    noise: float
    blur: float
    streak: float


def draw_ct(rng: np.random.Generator, protocol: str) -> CtDraw:
    """Draws a patient's attenuations, noise and reconstruction.

    Tissues of one patient share most of their deviation from the mean: bolus timing, cardiac
    output and body weight act on all of them (correlation 0.7 in squares).
    """
    shared = float(np.clip(rng.normal(), -2, 2))
    values = {}
    native = CT_VALUES["native"]
    for name, row in CT_VALUES[protocol].items():
        enhanced = row != native[name]
        own = float(np.clip(rng.normal(), -2, 2))
        z = np.sqrt(0.7) * shared + np.sqrt(0.3) * own if enhanced else own
        values[name] = row.mean + row.between * float(z)
    if protocol == "native":
        # Unenhanced blood follows the haematocrit and is the same in every vessel.
        for name in ("blood_right", "cava", "portal_vein", "hepatic_vein"):
            values[name] = values["blood_left"]
    noise = float(rng.uniform(*CT_NOISE[protocol]))
    return CtDraw(values, noise, float(rng.uniform(0.35, 0.5)), float(rng.uniform(0.5, 1.5)))


def _streaks(image: np.ndarray, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """Streaks along rays that meet much bone, unit: 1 per 1000 HU voxels of bone contrast."""
    nx, ny, nz = image.shape
    bone = np.maximum(image - 350, 0) / 1000
    xs, ys = np.arange(nx) - nx / 2, np.arange(ny) - ny / 2
    out = np.zeros_like(image)
    for angle in rng.uniform(0, np.pi, size=6):
        ray = xs[:, None] * np.cos(angle) + ys[None, :] * np.sin(angle)
        index = np.rint(ray - ray.min()).astype(np.int64)
        count = int(index.max()) + 1
        flat = (index.reshape(-1, 1) * nz + np.arange(nz)).reshape(-1)
        sums = np.bincount(flat, weights=bone.reshape(-1), minlength=count * nz)
        profile = sums.reshape(count, nz)
        profile = profile - ndimage.uniform_filter1d(profile, 9, axis=0)
        out += rng.choice([-1.0, 1.0]) * profile.astype(np.float32)[index]
    return out


def render_ct(
    scene: Scene, grid: Grid, draw: CtDraw, *, protocol: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Renders a scene as CT.

    Returns:
        The image in whole HU, float32, and the labels, uint8.
    """
    rows = CT_VALUES[protocol]
    texture = RandomField.draw(rng, (9, 30), count=40).on_grid(grid)

    def value(tissue: str, box: tuple[slice, ...]) -> np.ndarray | np.float32:
        mean, within = np.float32(draw.values[tissue]), np.float32(rows[tissue].within)
        return mean if within == 0 else np.asarray(mean + within * texture[box])

    image, label = paint(scene, grid, value)
    image += np.float32(draw.streak) * _streaks(image, grid, rng) * (image > -990)
    image = ndimage.gaussian_filter(image, (draw.blur, draw.blur, 0.35), truncate=3)
    image += _noise(image, grid, draw, rng)
    return np.clip(np.rint(image), -1024, 3071).astype(np.float32), label


def _noise(image: np.ndarray, grid: Grid, draw: CtDraw, rng: np.random.Generator) -> np.ndarray:
    """Noise smoothed in plane by the kernel, stronger at the middle of the body."""
    grain = rng.standard_normal(grid.shape, dtype=np.float32)
    grain = ndimage.gaussian_filter(grain, (0.6, 0.6, 0), truncate=2.5)
    grain *= np.float32(draw.noise / float(grain.std()))
    nx, ny, _ = grid.shape
    x, y = np.linspace(-1, 1, nx)[:, None, None], np.linspace(-1, 1, ny)[None, :, None]
    share = np.float32(1) - np.float32(0.45) * np.sqrt(x * x + y * y).astype(np.float32)
    grain *= share
    return np.asarray(grain)
