"""What a training step costs, and GIN's share of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from fedgin.augment.views import build_gin
from fedgin.data.prepare import PreparedCase
from fedgin.engine.device import choose_device
from fedgin.engine.optimization import build_optimizer
from fedgin.engine.step_probe import synchronize
from fedgin.engine.trainer import Trainer
from fedgin.seeding import numpy_generator, torch_generator
from fedgin.settings import ResolvedSettings

WARM_UP = 3
GIN_DRAWS = 10


@dataclass(frozen=True)
class StepCost:
    """Median wall times in seconds.

    Attributes:
        step: Drawing, augmenting and training on one batch.
        parts: Its parts by name.
        description: What was measured on what.
    """

    step: float
    parts: Mapping[str, float]
    description: str


def measure_step(settings: ResolvedSettings, *, device: str, repeats: int) -> StepCost:
    """Times the parts of a training step, interleaved, on made-up volumes.

    Args:
        settings: Settings with the network and patch size to measure.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        repeats: How often each part is timed.
    """
    target = choose_device(device)
    settings = settings.without_federation()
    trainer = Trainer(settings=settings, site="bench", cases=[noise_case(settings)], device=target)
    optimizer = build_optimizer(trainer.network, settings.training)
    scaler = torch.amp.GradScaler(target.type, enabled=target.type == "cuda")
    gin = build_gin(settings.training.gin)
    plain = settings.training.model_copy(update={"augmentation": "none"}).resolve()
    bare = Trainer(settings=plain, site="bench", cases=[noise_case(settings)], device=target)
    images, labels, _ = bare.batch(0, 0)
    trainer.network.train()

    def intensity(number: int) -> None:
        gin(images, generator=torch_generator("bench", number % GIN_DRAWS))

    actions: dict[str, Callable[[int], object]] = {
        "patches and geometric augmentation": lambda number: bare.batch(0, number),
        "GIN": intensity,
        "network, loss, optimizer": lambda number: trainer.step(images, labels, optimizer, scaler),
    }
    times: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(WARM_UP + repeats):
        for name, action in actions.items():
            synchronize(target)
            start = time.perf_counter()
            action(number)
            synchronize(target)
            if number >= WARM_UP:
                times[name].append(time.perf_counter() - start)
    parts = {name: statistics.median(values) for name, values in times.items()}
    # GIN's cost depends on the kernel sizes and samples drawn: medians by draw, then their mean.
    by_draw = [times["GIN"][number::GIN_DRAWS] for number in range(min(GIN_DRAWS, repeats))]
    parts["GIN"] = statistics.fmean(statistics.median(values) for values in by_draw)
    name = torch.cuda.get_device_name(target) if target.type == "cuda" else "CPU"
    return StepCost(
        step=sum(parts.values()),
        parts=parts,
        description=f"batch {tuple(images.shape)} on {name}, {torch.get_num_threads()} threads, "
        f"channels {settings.geometry.channels}, {repeats} repeats",
    )


def noise_case(settings: ResolvedSettings) -> PreparedCase:
    """Makes up a volume of noise, a little larger than the patch, with one structure."""
    generator = numpy_generator("bench")
    patch = settings.geometry.patch_size
    shape = (max(32, patch[0]), *(size + 8 for size in patch[-2:]))
    label = np.zeros(shape, dtype=np.uint8)
    label[:, 20:60, 20:60] = 1
    places = np.argwhere(label == 1)[::97]
    return PreparedCase(
        name="noise",
        patient="noise",
        site="bench",
        modality="CT",
        image=generator.normal(size=shape).astype(np.float16),
        label=label,
        foreground=np.column_stack([np.ones(len(places)), places]).astype(np.int32),
        spacing=(1.0, 1.0, 1.0),
    )
