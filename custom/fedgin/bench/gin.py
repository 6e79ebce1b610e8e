"""GIN beside its plain formulation."""

from __future__ import annotations

import math

import torch

from fedgin.augment.gin import Gin
from fedgin.bench.figures import Figure, Mark, speed_up
from fedgin.bench.memory import can_watch, in_a_process, peak_growth
from fedgin.bench.options import BenchOptions
from fedgin.bench.plain_gin import plain_gin
from fedgin.bench.times import take_turns
from fedgin.seeding import torch_generator

GROUP = "gin"
BATCHES = {2: (16, 1, 256, 256), 3: (2, 1, 96, 96, 96)}
MARKS = {("cpu", 2): 4.0, ("cpu", 3): 8.0, ("cuda", 3): 3.0}
"""With kernel size 3, by device and dimensions; with size 1 it must not be slower."""
MOST_COPIES = 2.0
ADVANTAGE_OF_NOISE = 0.97


def measure_gin(options: BenchOptions) -> list[Figure]:
    """Times GIN in 2D and 3D, with kernels of 3 and of 1 voxels, and looks at its memory."""
    times = [_measure(options, dims, kernel) for dims in BATCHES for kernel in (3, 1)]
    if options.device.type != "cpu" or not can_watch():
        return times
    return [*times, *(_memory(dims) for dims in BATCHES)]


def _memory(dims: int) -> Figure:
    shape = BATCHES[dims]
    batch = 4 * math.prod(shape)
    extra = in_a_process(_extra_bytes, shape)
    return Figure(
        group=GROUP,
        name=f"GIN {dims}D, kernel size 3: memory beside its result",
        ours=f"{extra / 2**20:.1f} MiB",
        against=f"the batch: {batch / 2**20:.1f} MiB",
        value=extra / batch,
        unit="x",
        mark=Mark(rule="at most", value=MOST_COPIES),
    )


def _extra_bytes(shape: tuple[int, ...]) -> int:
    """Returns what a call adds to a process that has called before, less its result."""
    generator = torch_generator("bench", len(shape))
    images, gin = torch.randn(shape, generator=generator), Gin(kernel_sizes=(3,))
    draw = gin.draw(shape, generator=generator)
    gin.apply(images, draw)
    with peak_growth() as peak:
        result = gin.apply(images, draw)
    return max(0, peak() - result.nbytes)


def _measure(options: BenchOptions, dims: int, kernel: int) -> Figure:
    shape, device = BATCHES[dims], options.device
    generator = torch_generator("bench", dims, kernel)
    images = torch.randn(shape, generator=generator).to(device)
    gin = Gin(kernel_sizes=(kernel,))
    draw = gin.draw(shape, generator=generator)
    weights = [layer.weight.to(device) for layer in draw.layers]
    biases = [layer.bias.to(device) for layer in draw.layers]
    alpha = draw.alpha.to(device)

    def plain() -> object:
        with torch.no_grad():
            return plain_gin(images, weights=weights, biases=biases, alpha=alpha)

    times = take_turns(
        {"ours": lambda: gin.apply(images, draw), "plain": plain},
        repeats=options.repeats,
        warm_up=2,  # the first call compiles or loads loops
        device=device,
    )
    size = " x ".join(str(edge) for edge in shape)
    return speed_up(
        GROUP,
        f"GIN {dims}D, {size}, kernel size {kernel}",
        ours=times["ours"],
        theirs=times["plain"],
        against="grouped convolutions",
        at_least=MARKS.get((device.type, dims)) if kernel == 3 else ADVANTAGE_OF_NOISE,
    )
