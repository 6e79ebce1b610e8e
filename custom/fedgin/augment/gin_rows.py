"""GIN on the CPU, row by row: random convolutions in loops that numba compiles.

A convolution with two channels gives a library little to share: it is bound by the memory that it
passes through. Here a row of the result stays in the processor's cache while all taps are added to
it, and two buffers of a sample serve all layers. With kernels of three voxels that takes a small
part of the time of a convolution in groups, see `fedgin bench`; the results are those of
`fedgin.augment.gin_tensors`, which is used on GPUs and where numba is not installed.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fedgin.augment.gin_tensors import LEAKY_SLOPE, NORM_EPSILON

if TYPE_CHECKING:
    from fedgin.augment.gin import GinDraw, GinLayer

Loops = tuple[Callable[..., None], Callable[..., tuple[float, float]], Callable[..., None]]

PAYS_FROM = 2**18
"""Voxels of a batch from which on compiled loops are worth their import, half a second."""


def rows_pay(images: Tensor, draw: GinDraw) -> bool:
    """Tells whether a batch lies on the CPU, is large, and has more to do than matrix products."""
    return (
        images.device.type == "cpu"
        and images.numel() >= PAYS_FROM
        and any(layer.kernel_size > 1 for layer in draw.layers)
        and _has_numba()
    )


@functools.cache
def _has_numba() -> bool:
    return importlib.util.find_spec("numba") is not None


def augment_by_rows(images: Tensor, draw: GinDraw) -> Tensor:
    """Applies every sample's network, mixes, and restores the norm.

    Memory beside the result: two buffers of a sample's hidden features, for each sample in work.

    Args:
        images: Shape (B, C, *spatial), float32, on the CPU.
        draw: A draw for this shape.

    Returns:
        A new tensor of the same shape.
    """
    threads = torch.get_num_threads()
    result = torch.empty_like(images, memory_format=torch.contiguous_format)
    batch, channels, *space = images.shape
    depth = (1,) * (3 - len(space))
    sources = images.contiguous().numpy().reshape(batch, channels, *depth, *space)
    results = result.numpy().reshape(sources.shape)

    def augment(sample: int, run: _RowRunner) -> None:
        _augment_sample(sources[sample], results[sample], draw, sample, run)

    with ThreadPoolExecutor(threads) as pool:
        if batch >= 2 * threads:  # whole samples, of which threads need not wait for each other
            alone = _RowRunner(pool, 1)
            list(pool.map(lambda sample: augment(sample, alone), range(batch)))
        else:
            together = _RowRunner(pool, threads)
            for sample in range(batch):
                augment(sample, together)
    return result


def _augment_sample(
    source: np.ndarray, result: np.ndarray, draw: GinDraw, sample: int, run: _RowRunner
) -> None:
    """Augments a sample of shape (C, Z, Y, X) into `result`."""
    widest = max(layer.bias.shape[1] for layer in draw.layers)
    ways = itertools.cycle(
        [np.empty((widest, *source.shape[1:]), dtype=np.float32) for _ in range(2)]
    )
    features, last = source, len(draw.layers) - 1
    for number, layer in enumerate(draw.layers):
        weight, bias = _of_sample(layer, sample)
        into = result if number == last else next(ways)[: len(bias)]
        run.convolve(features, weight, bias, into, 1.0 if number == last else LEAKY_SLOPE)
        features = into
    run.mix(source, result, float(draw.alpha[sample]))


class _RowRunner:
    """Deals the rows of a volume out to threads; the compiled loops let go of Python's lock."""

    def __init__(self, pool: ThreadPoolExecutor, threads: int) -> None:
        self._pool, self._threads = pool, threads
        self._convolve, self._mix, self._scale = compiled_loops()

    def convolve(
        self,
        features: np.ndarray,
        weight: np.ndarray,
        bias: np.ndarray,
        into: np.ndarray,
        slope: float,
    ) -> None:
        """Convolves (C_in, Z, Y, X) into (C_out, Z, Y, X), zero-padded, with a leaky ReLU."""
        self._each(
            features,
            lambda first, last: self._convolve(
                features, weight, bias, into, np.float32(slope), first, last
            ),
        )

    def mix(self, source: np.ndarray, output: np.ndarray, alpha: float) -> None:
        """Turns an output into its mixture with the source, with the source's norm, in place."""
        sums = self._each(
            source,
            lambda first, last: self._mix(source, output, np.float32(alpha), first, last),
        )
        of_source, of_mixture = (sum(parts) ** 0.5 for parts in zip(*sums, strict=True))
        factor = np.float32(of_source / (of_mixture + NORM_EPSILON))
        self._each(source, lambda first, last: self._scale(output, factor, first, last))

    def _each(self, volume: np.ndarray, work: Callable[[int, int], object]) -> list[object]:
        bounds = list(_bounds(volume.shape[1] * volume.shape[2], self._threads))
        if len(bounds) == 1:
            return [work(*bounds[0])]
        return list(self._pool.map(lambda bound: work(*bound), bounds))


def _bounds(rows: int, threads: int) -> Iterator[tuple[int, int]]:
    """Divides rows among threads as evenly as can be."""
    edges = [rows * number // threads for number in range(threads + 1)]
    return ((first, last) for first, last in itertools.pairwise(edges) if last > first)


def _of_sample(layer: GinLayer, sample: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns a sample's weights, shape (C_out, C_in, k or 1, k, k), and biases."""
    weight = layer.weight[sample].contiguous().numpy()
    if weight.ndim == 4:
        weight = weight[:, :, None]
    return weight, layer.bias[sample].contiguous().numpy()


@functools.cache
def compiled_loops() -> Loops:
    """Compiles the loops, or loads them as they were compiled by an earlier process."""
    import numba

    compile_loop = numba.njit(nogil=True, fastmath={"contract", "reassoc", "nsz"}, cache=True)

    @compile_loop
    def add_nine_taps(target, above, here, below, taps):  # type: ignore[no-untyped-def]
        # One pass over the row instead of three: loads and stores bound it, not products.
        a0, a1, a2 = taps[0, 0], taps[0, 1], taps[0, 2]
        b0, b1, b2 = taps[1, 0], taps[1, 1], taps[1, 2]
        c0, c1, c2 = taps[2, 0], taps[2, 1], taps[2, 2]
        last = target.shape[0] - 1
        target[0] += (
            (a1 * above[0] + a2 * above[1])
            + (b1 * here[0] + b2 * here[1])
            + (c1 * below[0] + c2 * below[1])
        )
        for x in range(1, last):
            target[x] += (
                (a0 * above[x - 1] + a1 * above[x] + a2 * above[x + 1])
                + (b0 * here[x - 1] + b1 * here[x] + b2 * here[x + 1])
                + (c0 * below[x - 1] + c1 * below[x] + c2 * below[x + 1])
            )
        target[last] += (
            (a0 * above[last - 1] + a1 * above[last])
            + (b0 * here[last - 1] + b1 * here[last])
            + (c0 * below[last - 1] + c1 * below[last])
        )

    @compile_loop
    def convolve(features, weight, bias, into, slope, first, last):  # type: ignore[no-untyped-def]
        c_in, depth, height, width = features.shape
        c_out, edge_z, edge = weight.shape[0], weight.shape[2], weight.shape[3]
        half_z, half = edge_z // 2, edge // 2
        for row in range(first, last):
            z, y = row // height, row % height
            for out in range(c_out):
                target = into[out, z, y]
                for x in range(width):
                    target[x] = bias[out]
                for channel in range(c_in):
                    for dz in range(max(0, half_z - z), min(edge_z, depth + half_z - z)):
                        if edge == 3 and width > 2 and 0 < y < height - 1:
                            slab = features[channel, z + dz - half_z]
                            add_nine_taps(
                                target, slab[y - 1], slab[y], slab[y + 1], weight[out, channel, dz]
                            )
                            continue
                        for dy in range(max(0, half - y), min(edge, height + half - y)):
                            source = features[channel, z + dz - half_z, y + dy - half]
                            taps = weight[out, channel, dz, dy]
                            if edge == 3 and width > 2:
                                before, at, after = taps[0], taps[1], taps[2]
                                target[0] += at * source[0] + after * source[1]
                                for x in range(1, width - 1):
                                    target[x] += (
                                        before * source[x - 1]
                                        + at * source[x]
                                        + after * source[x + 1]
                                    )
                                target[width - 1] += (
                                    before * source[width - 2] + at * source[width - 1]
                                )
                            else:
                                for dx in range(edge):
                                    shift = dx - half
                                    for x in range(max(0, -shift), min(width, width - shift)):
                                        target[x] += taps[dx] * source[x + shift]
                if slope != 1:
                    for x in range(width):
                        value = target[x]
                        target[x] = value if value > 0 else slope * value

    @compile_loop
    def mix(source, output, alpha, first, last):  # type: ignore[no-untyped-def]
        of_source = of_mixture = 0.0
        height = source.shape[2]
        for channel in range(source.shape[0]):
            for row in range(first, last):
                before = source[channel, row // height, row % height]
                after = output[channel, row // height, row % height]
                for x in range(before.shape[0]):
                    value = before[x] + alpha * (after[x] - before[x])
                    after[x] = value
                    of_source += np.float64(before[x]) * before[x]
                    of_mixture += np.float64(value) * value
        return of_source, of_mixture

    @compile_loop
    def scale(output, factor, first, last):  # type: ignore[no-untyped-def]
        height = output.shape[2]
        for channel in range(output.shape[0]):
            for row in range(first, last):
                target = output[channel, row // height, row % height]
                for x in range(target.shape[0]):
                    target[x] *= factor

    return convolve, mix, scale
