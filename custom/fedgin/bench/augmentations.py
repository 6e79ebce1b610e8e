"""The rival augmentations beside what their released codes do, on the same batch and draw."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fedgin.augment.bezier import Bezier, BezierDraw
from fedgin.augment.fourier import Fourier, FourierDraw
from fedgin.augment.randconv import RandConv, RandConvDraw
from fedgin.bench.figures import Figure, speed_up
from fedgin.bench.options import BenchOptions
from fedgin.bench.times import take_turns
from fedgin.seeding import torch_generator

GROUP = "augmentations"
SHAPE = (16, 1, 256, 256)
NOT_SLOWER = 0.97
"""A mark of 1 less what two runs of the same code differ by."""
CURVE_POINTS = 1000
AGREEMENT = 5e-3
"""The largest difference from the plain way; curves are sampled more finely there."""


def measure_augmentations(options: BenchOptions) -> list[Figure]:
    """Times RandConv, the mixing and swapping of amplitudes, and Bezier curves.

    Raises:
        ValueError: Ours and the plain way differ.
    """
    generator = torch_generator("bench augmentations")
    images = torch.randn(SHAPE, generator=generator).to(options.device)
    rand = RandConv(kernel_sizes=(3,))
    mix, swap = Fourier(mode="mix"), Fourier(mode="swap")
    curve = Bezier(probability=1.0)
    rand_draw = rand.draw(SHAPE, generator=generator)
    mix_draw = mix.draw(SHAPE, generator=generator)
    swap_draw = swap.draw(SHAPE, generator=generator)
    curve_draw = curve.draw(SHAPE, generator=generator)
    pairs: dict[str, tuple[Callable[[], Tensor], Callable[[], Tensor], str]] = {
        "RandConv, kernel size 3": (
            lambda: rand.apply(images, rand_draw),
            lambda: plain_randconv(images, rand_draw),
            "one convolution and a sum",
        ),
        "mixed amplitudes": (
            lambda: mix.apply(images, mix_draw),
            lambda: plain_amplitudes(images, mix_draw, swap=False),
            "numpy's whole transform",
        ),
        "swapped amplitudes": (
            lambda: swap.apply(images, swap_draw),
            lambda: plain_amplitudes(images, swap_draw, swap=True),
            "numpy's whole transform",
        ),
        "Bezier curves": (
            lambda: curve.apply(images, curve_draw),
            lambda: plain_curves(images, curve_draw),
            "numpy's interpolation",
        ),
    }
    return [_compare(name, *pair, options=options) for name, pair in pairs.items()]


def _compare(
    name: str,
    ours: Callable[[], Tensor],
    plain: Callable[[], Tensor],
    against: str,
    *,
    options: BenchOptions,
) -> Figure:
    worst = float((ours() - plain()).abs().max())
    if worst > AGREEMENT:
        raise ValueError(f"{name}: results differ from the plain way by up to {worst:.2g}")
    ways = {"ours": ours, "plain": plain}
    times = take_turns(ways, repeats=options.repeats, device=options.device)
    size = " x ".join(str(edge) for edge in SHAPE)
    return speed_up(
        GROUP,
        f"{name}, {size}",
        ours=times["ours"],
        theirs=times["plain"],
        against=against,
        at_least=NOT_SLOWER,
    )


def plain_randconv(images: Tensor, draw: RandConvDraw) -> Tensor:
    """Convolves the batch and mixes."""
    weight = draw.weight.to(images.device)
    output = functional.conv2d(images, weight, padding=weight.shape[-1] // 2)
    return draw.alpha * output + (1 - draw.alpha) * images


def plain_amplitudes(images: Tensor, draw: FourierDraw, *, swap: bool) -> Tensor:
    """Mixes or swaps amplitudes by shifted whole transforms, as released codes do."""
    arrays = images.cpu().numpy()[:, 0]
    spectra = np.fft.fftshift(np.fft.fft2(arrays), axes=(-2, -1))
    amplitudes, phases = np.abs(spectra), np.angle(spectra)
    height, width = arrays.shape[1:]
    half = int(np.floor(min(height, width) * draw.beta))
    found = []
    for index, partner in enumerate(draw.partner.tolist()):
        own, other = amplitudes[index], amplitudes[partner]
        if swap:
            own = own.copy()
            rows = slice(height // 2 - half, height // 2 + half + 1)
            columns = slice(width // 2 - half, width // 2 + half + 1)
            own[rows, columns] = other[rows, columns]
        else:
            share = float(draw.share[index])
            own = (1 - share) * own + share * other
        whole = np.fft.ifftshift(own * np.exp(1j * phases[index]))
        found.append(np.real(np.fft.ifft2(whole)))
    return torch.from_numpy(np.stack(found)[:, None].astype(np.float32)).to(images.device)


def plain_curves(images: Tensor, draw: BezierDraw) -> Tensor:
    """Sends each image through its curve by numpy's interpolation."""
    arrays = images.cpu().numpy()
    t = np.linspace(0, 1, CURVE_POINTS)
    found = []
    for index, image in enumerate(arrays):
        (u1, u2), (u3, u4) = draw.points[index].tolist()
        x, y = (
            3 * t * (1 - t) ** 2 * first + 3 * t**2 * (1 - t) * second + t**3
            for first, second in ((u1, u3), (u2, u4))
        )
        low, high = image.min(), image.max()
        values = np.sort(y)[::-1] if bool(draw.inverted[index]) else np.sort(y)
        curve = np.interp((image - low) / (high - low), np.sort(x), values)
        found.append(low + (high - low) * curve)
    return torch.from_numpy(np.stack(found).astype(np.float32)).to(images.device)
