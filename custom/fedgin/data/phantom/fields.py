"""Smooth random fields as sums of plane waves: exact at any point, on any grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedgin.data.phantom.grid import Grid


@dataclass(frozen=True, eq=False)
class RandomField:
    """A stationary random field of about unit variance.

    A sum of plane waves is a function of the patient position alone, so the same anatomy
    can be sampled on any rotated or anisotropic grid without interpolation. On a grid each
    wave is a product of three one-dimensional waves, which makes the evaluation one matrix
    product.

    Attributes:
        waves: Wave vectors in rad/mm, shape (M, 3).
        phases: Phases in rad, shape (M,).
    """

    waves: np.ndarray
    phases: np.ndarray

    @classmethod
    def draw(
        cls, rng: np.random.Generator, wavelength: tuple[float, float], *, count: int = 32
    ) -> RandomField:
        """Draws waves of uniform direction with wavelengths in mm between two bounds."""
        direction = rng.normal(size=(count, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        low, high = np.log(wavelength[0]), np.log(wavelength[1])
        length = np.exp(rng.uniform(low, high, size=(count, 1)))
        return cls(2 * np.pi * direction / length, rng.uniform(0, 2 * np.pi, size=count))

    @property
    def wavenumber(self) -> float:
        """Root mean square of the wave vectors' length in rad/mm: the field's rms slope."""
        return float(np.sqrt(np.mean(np.sum(self.waves**2, axis=1))))

    def on_grid(self, grid: Grid) -> np.ndarray:
        """Samples the field at the voxel centres of a grid, float32."""
        steps = self.waves @ grid.affine[:3, :3]
        start = self.waves @ grid.affine[:3, 3] + self.phases
        nx, ny, nz = grid.shape
        along_x = np.exp(1j * (start + np.arange(nx)[:, None] * steps[:, 0]))
        along_y = np.exp(1j * np.arange(ny)[:, None] * steps[:, 1])
        along_z = np.exp(1j * steps[:, 2:] * np.arange(nz))
        small_x, small_y = along_x.astype(np.complex64), along_y.astype(np.complex64)
        in_plane = (small_x[:, None, :] * small_y[None, :, :]).reshape(nx * ny, -1)
        # Re(ab) = (Re a, Im a) . (Re b, -Im b): complex numbers lie in memory as such pairs.
        left = in_plane.view(np.float32)
        right = np.stack([along_z.real, -along_z.imag], axis=1).reshape(-1, nz)
        right = right.astype(np.float32)
        scale = np.float32(np.sqrt(2 / len(self.phases)))
        return np.asarray((left @ right).reshape(nx, ny, nz) * scale)
