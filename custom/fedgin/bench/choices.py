"""Other ways to compute the same training step, beside the one that is used on the device."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from fedgin.bench.figures import Figure, speed_up, text_of
from fedgin.bench.options import BenchOptions
from fedgin.bench.times import take_turns
from fedgin.engine.optimization import build_optimizer
from fedgin.engine.step_cost import noise_case
from fedgin.engine.step_probe import synchronize
from fedgin.engine.trainer import Trainer

GROUP = "choices"
AS_GOOD = 0.97
"""The way that is used may be slower than another by so little; noise is as large."""
FORMATS: Mapping[int, torch.memory_format] = MappingProxyType(
    {2: torch.channels_last, 3: torch.channels_last_3d}
)


def measure_choices(options: BenchOptions) -> list[Figure]:
    """Times a step on one batch as it is taken, and with one thing done otherwise.

    Each way trains a network of its own. What a compiler makes of the network is measured where
    there is one for the device; what compiling itself costs, which every process of every site
    would pay, stands in the figure's note.
    """
    used = _Way(options)
    ways = {
        "channels last": _Way(options, channels_last=True),
        "AdamW that is not fused": _Way(options, fused=False),
        "bfloat16 by autocast": _Way(options, wrap=InBfloat16),
        "torch.compile": _Way(options, wrap=_compiled),
    }
    lacking = {name: why for name, way in ways.items() if (why := way.begin())}
    able: Mapping[str, Callable[[], object]] = {
        name: way.step for name, way in ways.items() if name not in lacking
    }
    times = take_turns({"used": used.step, **able}, repeats=options.repeats, device=options.device)
    precision = "float16" if options.device.type == "cuda" else "float32"
    note = f"used: {precision}, contiguous, fused AdamW, not compiled"
    note += "".join(f"; {name} cannot be had here: {why}" for name, why in lacking.items())
    return [
        speed_up(
            GROUP,
            f"a step as it is taken, against one with {name}",
            ours=times["used"],
            theirs=times[name],
            against=name,
            at_least=AS_GOOD,
            note=f"{note}; first step with {name}: {text_of(ways[name].first)}",
        )
        for name in able
    ]


class InBfloat16(nn.Module):
    """A network whose convolutions are computed in bfloat16; its scores are float32."""

    def __init__(self, network: nn.Module) -> None:
        """Wraps a network, whose weights stay float32."""
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor | list[Tensor]:
        """Computes scores."""
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            scores = self.network(images)
        if isinstance(scores, Tensor):
            return scores.float()
        return [level.float() for level in scores]


def _compiled(network: nn.Module) -> nn.Module:
    network.compile()
    return network


class _Way:
    """A trainer, one batch, and an optimizer of its own.

    Attributes:
        first: Seconds of the first step.
    """

    def __init__(
        self,
        options: BenchOptions,
        *,
        channels_last: bool = False,
        fused: bool = True,
        wrap: Callable[[nn.Module], nn.Module] | None = None,
    ) -> None:
        settings = options.settings.without_federation()
        self._trainer = Trainer(
            settings=settings, site="bench", cases=[noise_case(settings)], device=options.device
        )
        self._images, self._labels, _ = self._trainer.batch(0, 0)
        network = self._trainer.network.train()
        self._optimizer = build_optimizer(network, settings.training)
        if not fused:
            training = settings.training
            self._optimizer = torch.optim.AdamW(
                network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
            )
        if channels_last:
            layout = FORMATS[settings.training.spatial_dims]
            for parameter in network.parameters():
                if parameter.dim() == self._images.dim():
                    parameter.data = parameter.data.contiguous(memory_format=layout)
            self._images = self._images.contiguous(memory_format=layout)
        if wrap is not None:
            self._trainer.network = wrap(network)
        half = options.device.type == "cuda" and wrap is not InBfloat16
        self._scaler = torch.amp.GradScaler(options.device.type, enabled=half)
        self.first = 0.0

    def step(self) -> None:
        """Takes a step."""
        self._trainer.step(self._images, self._labels, self._optimizer, self._scaler)

    def begin(self) -> str:
        """Takes and times the first step, which may compile; says what failed, if it does."""
        start = time.perf_counter()
        try:
            self.step()
            synchronize(self._trainer.device)
            self.first = time.perf_counter() - start
        except Exception as error:  # compilers fail in ways of their own
            return (str(error) or type(error).__name__).strip().splitlines()[0][:200]
        return ""
