"""The validation of a whole volume beside MONAI's network and sliding window."""

from __future__ import annotations

import numpy as np
import torch

from fedgin.bench.figures import Figure, speed_up
from fedgin.bench.options import BenchOptions
from fedgin.bench.times import take_turns
from fedgin.engine.evaluator import class_scores
from fedgin.networks import build_network
from fedgin.networks.architecture import architecture
from fedgin.seeding import numpy_generator

GROUP = "validation"
SLICES = 32
LARGER = 1.5
"""An image's edges in those of the patch."""
MARK = 1.5
AGREEMENT = 1e-4


def measure_validation(options: BenchOptions) -> list[Figure]:
    """Times the scores of a volume of noise, both ways in turns.

    Raises:
        ValueError: The two ways differ.
    """
    from monai.inferers import SlidingWindowInferer
    from monai.networks import nets

    settings, device = options.settings, options.device
    network = build_network(settings).to(device).eval()
    described = architecture(settings)
    other = getattr(nets, described.name)(**described.arguments).to(device).eval()
    other.load_state_dict(network.state_dict(), strict=False)
    patch = settings.geometry.patch_size
    shape = [int(LARGER * edge) for edge in patch]
    shape = shape if len(shape) == 3 else [SLICES, *shape]
    image = numpy_generator("bench validation").normal(size=shape).astype(np.float32)
    inferer = SlidingWindowInferer(
        roi_size=patch,
        sw_batch_size=settings.training.window_batch,
        overlap=settings.training.overlap,
        mode="gaussian",
    )
    found: dict[str, torch.Tensor] = {}

    def ours() -> None:
        found["ours"] = class_scores(network, image, settings=settings, device=device)

    @torch.inference_mode()
    def theirs() -> None:
        volume = torch.from_numpy(image).to(device)
        batch = volume[:, None] if len(patch) == 2 else volume[None, None]
        with torch.autocast(device.type, dtype=torch.float16, enabled=device.type == "cuda"):
            scores = inferer(batch, other)
        found["MONAI"] = scores if len(patch) == 2 else scores[0].transpose(0, 1)

    times = take_turns({"ours": ours, "MONAI": theirs}, repeats=5, device=device)
    worst = float((found["ours"] - found["MONAI"]).abs().max())
    if device.type == "cpu" and worst > AGREEMENT:
        raise ValueError(f"the scores differ from MONAI's by up to {worst:.2g}")
    size = " x ".join(str(edge) for edge in shape)
    return [
        speed_up(
            GROUP,
            f"scores of a volume of {size}",
            ours=times["ours"],
            theirs=times["MONAI"],
            against="MONAI's network in its SlidingWindowInferer",
            at_least=MARK,
            note=f"scores differ by at most {worst:.0e}",
        )
    ]
