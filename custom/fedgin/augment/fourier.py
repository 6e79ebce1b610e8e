"""Amplitude spectra mixed or exchanged between the images of one batch, the phase kept.

All partners come from the same batch, so from the same site: nothing is shared between sites. This
is not the exchange of amplitudes across sites of FedDG-ELCFS, which shares information.

Sources: mode `mix` Xu et al., "A Fourier-based Framework for Domain Generalization", CVPR 2021
(FACT, arXiv 2105.11120); mode `swap` Yang and Soatto, "FDA: Fourier Domain Adaptation for Semantic
Segmentation", CVPR 2020 (arXiv 2004.05498).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Mode = Literal["mix", "swap"]


@dataclass(frozen=True)
class FourierDraw:
    """The random numbers of one call, on the CPU.

    Attributes:
        partner: Shape (B,), int64: the sample whose amplitude each one takes; where B > 1 never
            itself.
        share: Shape (B,), float32, in [0, strength): the partner's share in mode `mix`.
        beta: Half-width of the exchanged square as a share of the shortest side in mode `swap`.
    """

    partner: Tensor
    share: Tensor
    beta: float


class Fourier:
    """Draws and applies amplitude mixtures for batches in 2D or 3D.

    With A and P the amplitude and phase of the discrete Fourier transform over space, channel by
    channel, and A' the partner's amplitude:

        out = inverse transform of M exp(i P)
        mode `mix`: M = (1 - lambda) A + lambda A', lambda ~ U(0, strength) per sample
        mode `swap`: M = A' at frequencies of at most b on every axis, else A;
            b = floor(shortest side * beta), beta drawn from `betas` once per call

    The frequencies of mode `swap` form a square of 2b + 1 coefficients a side around the constant
    term, in 3D a cube, so b = 0 still exchanges that term: the size of the sum over the image. FDA
    trains one network per beta and averages them; drawing beta serves one network. A batch of one
    sample has no partner and stays as it is.
    """

    def __init__(
        self,
        *,
        mode: Mode = "mix",
        strength: float = 1.0,
        betas: Sequence[float] = (0.01, 0.05, 0.09),
    ) -> None:
        """Sets the law that draws follow.

        Args:
            mode: See above.
            strength: Upper end of lambda, in [0, 1].
            betas: Half-widths in [0, 0.5) as shares of the shortest side.
        """
        self.mode = mode
        self.strength = strength
        self.betas = tuple(betas)

    def draw(self, shape: Sequence[int], *, generator: torch.Generator) -> FourierDraw:
        """Draws the parameters for a batch of shape (B, C, *spatial)."""
        batch = shape[0]
        # A random ring has no fixed point, and each other sample is the partner equally often.
        ring = torch.randperm(batch, generator=generator)
        partner = torch.empty_like(ring)
        partner[ring] = ring.roll(1)
        share = torch.rand(batch, generator=generator) * self.strength
        choice = int(torch.randint(len(self.betas), (1,), generator=generator))
        return FourierDraw(partner=partner, share=share, beta=self.betas[choice])

    @torch.no_grad()
    def apply(self, images: Tensor, draw: FourierDraw) -> Tensor:
        """Applies a draw on the device of the batch.

        Args:
            images: Shape (B, C, *spatial), any floating dtype; computed in float32.
            draw: From `draw` with this shape.

        Returns:
            A new tensor of the same shape, dtype and device, without gradient.
        """
        if len(images) == 1:
            return images.detach().clone()
        space = images.shape[2:]
        axes = tuple(range(2, images.ndim))
        device = images.device
        with torch.autocast(device.type, enabled=False):
            # The images are real: half of the spectrum determines the other half.
            spectrum = torch.fft.rfftn(images.detach().float(), dim=axes)
            own = spectrum.abs()
            other = own[draw.partner.to(device, non_blocking=True)]
            if self.mode == "mix":
                share = draw.share.to(device, non_blocking=True)
                amplitude = torch.lerp(own, other, share.reshape(-1, *[1] * (images.ndim - 1)))
            else:
                low = low_frequencies(space, half_width=half_width(space, beta=draw.beta))
                amplitude = torch.where(low.to(device, non_blocking=True), other, own)
            mixed = torch.polar(amplitude, spectrum.angle())
            return torch.fft.irfftn(mixed, s=tuple(space), dim=axes).to(images.dtype)


def half_width(space: Sequence[int], *, beta: float) -> int:
    """Returns the highest exchanged frequency in cycles per side: floor(shortest side * beta)."""
    return math.floor(min(space) * beta)


def low_frequencies(space: Sequence[int], *, half_width: int) -> Tensor:
    """Marks the low frequencies in the layout of `torch.fft.rfftn`.

    Args:
        space: Spatial shape of the image.
        half_width: Highest marked frequency of each axis, in cycles per side.

    Returns:
        Bool, shape (*space[:-1], space[-1] // 2 + 1).
    """
    marks = torch.ones(*space[:-1], space[-1] // 2 + 1, dtype=torch.bool)
    for axis, size in enumerate(marks.shape):
        number = torch.arange(size)
        if axis < len(space) - 1:
            number = torch.minimum(number, size - number)  # beyond the middle lie the negative ones
        column = [1] * len(space)
        column[axis] = size
        marks = marks & (number <= half_width).reshape(column)
    return marks
