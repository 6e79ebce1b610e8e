"""A training step, its parts, and GIN's share of it."""

from __future__ import annotations

from fedgin.bench.figures import Figure, Mark, text_of
from fedgin.bench.options import BenchOptions
from fedgin.engine.step_cost import measure_step

GROUP = "step"
GIN_SHARES = {2: 1.0, 3: 5.0}
"""The most that GIN may take of a step, in per cent, by dimensions."""
DRAWING = "patches and geometric augmentation"
DRAWING_SHARE = 3.0
"""The most that a step may wait for its batch, in per cent."""
THROUGHPUT = 0.95


def measure_parts(options: BenchOptions) -> list[Figure]:
    """Times the parts of a step on random images of the job's size."""
    cost = measure_step(options.settings, device=str(options.device), repeats=4 * options.repeats)
    dims = options.settings.training.spatial_dims
    marks = {"GIN": GIN_SHARES[dims], DRAWING: DRAWING_SHARE}
    whole = f"whole step: {text_of(cost.step)}"
    found = [
        Figure(
            group=GROUP,
            name=f"{name}: share of a step",
            ours=text_of(seconds),
            against=whole,
            value=100 * seconds / cost.step,
            unit="%",
            mark=Mark(rule="at most", value=marks[name]) if name in marks else None,
            note=cost.description,
        )
        for name, seconds in cost.parts.items()
    ]
    in_memory = cost.step - cost.parts[DRAWING]
    found.append(
        Figure(
            group=GROUP,
            name="steps a second with volumes from the cache",
            ours=f"{1 / cost.step:.2f}",
            against=f"batches in memory: {1 / in_memory:.2f}",
            value=in_memory / cost.step,
            unit="x",
            mark=Mark(rule="at least", value=THROUGHPUT),
            note=cost.description,
        )
    )
    return found
