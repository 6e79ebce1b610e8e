"""The bytes of an update, and what fewer of them cost in Dice."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from fedgin.bench.figures import Figure, Mark
from fedgin.bench.options import BenchOptions
from fedgin.bench.small_federation import Update, train_small_federation
from fedgin.privacy.precision import to_half, widen_halves
from fedgin.settings import ResolvedSettings

Way = Callable[[Update], tuple[int, Update]]
"""From an update to the bytes that are sent, and to the update as it arrives."""

GROUP = "payload"
MARK = 0.5
ROUNDS, STEPS, BATCH = 10, 20, 4
TOP_SHARE = 0.1
LEVELS = 127


def measure_payload(options: BenchOptions) -> list[Figure]:
    """Counts bytes and measures Dice for each way of sending an update.

    `float16` is the setting `upload_precision`. The others are not offered: this shows what they
    would give and cost.
    """
    training = options.settings.training.model_copy(
        update={"steps_per_round": STEPS, "batch_size": BATCH, "plan": None}
    )
    sent = {name: _send(training.resolve(), way) for name, way in WAYS.items()}
    full, full_dice = sent["float32"]
    return [
        Figure(
            group=GROUP,
            name=f"update as {name}",
            ours=f"{size / 1e6:.2f} MB, Dice {dice:.3f}",
            against=f"float32: {full / 1e6:.2f} MB, Dice {full_dice:.3f}",
            value=size / full,
            unit="x",
            mark=Mark(rule="at most", value=MARK) if name == "float16" else None,
            note=f"Dice of two phantom sites, {ROUNDS} rounds of {STEPS} steps of batch {BATCH}",
        )
        for name, (size, dice) in sent.items()
        if name != "float32"
    ]


def _send(settings: ResolvedSettings, way: Way) -> tuple[int, float]:
    """Trains a federation whose updates are sent this way; returns an update's bytes, and Dice."""
    sizes: list[int] = []

    def on_the_way(update: Update) -> Update:
        size, came = way(update)
        sizes.append(size)
        return came

    with tempfile.TemporaryDirectory(prefix="fedgin-bench-") as name:
        dice = train_small_federation(Path(name), settings, rounds=ROUNDS, on_the_way=on_the_way)
    return max(sizes), dice


def _as_it_is(update: Update) -> tuple[int, Update]:
    return _bytes(update.values()), update


def _halved(update: Update) -> tuple[int, Update]:
    halves, _ = to_half(update)
    return _bytes(halves.values()), widen_halves(halves)


def _in_bytes(update: Update) -> tuple[int, Update]:
    """Rounds each array to 255 steps of its own largest magnitude."""
    scales = {name: float(np.abs(array).max()) or 1.0 for name, array in update.items()}
    steps = {
        name: np.round(array / scales[name] * LEVELS).astype(np.int8)
        for name, array in update.items()
    }
    came = {
        name: (array * np.float32(scales[name] / LEVELS)).astype(np.float32)
        for name, array in steps.items()
    }
    return _bytes(steps.values()) + 4 * len(scales), came


def _largest(update: Update) -> tuple[int, Update]:
    """Keeps the tenth of all numbers with the largest magnitudes, and their places."""
    numbers = np.concatenate([array.ravel() for array in update.values()])
    count = max(1, int(TOP_SHARE * numbers.size))
    places = np.argpartition(np.abs(numbers), -count)[-count:].astype(np.int32)
    values = numbers[places]
    whole = np.zeros_like(numbers)
    whole[places] = values
    edges = np.cumsum([array.size for array in update.values()])[:-1]
    parts = zip(update.items(), np.split(whole, edges), strict=True)
    came = {name: part.reshape(array.shape) for (name, array), part in parts}
    return _bytes([places, values]), came


def _bytes(arrays: Iterable[np.ndarray]) -> int:
    return sum(array.nbytes for array in arrays)


WAYS: Mapping[str, Way] = MappingProxyType(
    {"float32": _as_it_is, "float16": _halved, "8 bit": _in_bytes, "its largest tenth": _largest}
)
