"""Small cases and private steps that the tests of private training share."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import torch

from fedgin.data.prepare import PreparedCase
from fedgin.engine.batches import Batches
from fedgin.engine.dp_sgd import PrivateSteps
from fedgin.losses import build_loss
from fedgin.losses.views import ViewLoss
from fedgin.networks import build_network
from fedgin.privacy.secure_normal import NormalSource
from fedgin.settings import ResolvedSettings, make_settings

CPU = torch.device("cpu")
SHAPE = (8, 32, 36)


def make_case(number: int, *, patient: str | None = None) -> PreparedCase:
    """A bright ball in noise, elsewhere in each case."""
    generator = np.random.default_rng(number)
    centre = np.array(SHAPE).reshape(3, 1, 1, 1) * (0.4 + 0.05 * (number % 4))
    ball = ((np.indices(SHAPE) - centre) ** 2 * np.array([9, 1, 1]).reshape(3, 1, 1, 1)).sum(
        axis=0
    ) <= 100
    places = np.argwhere(ball)
    return PreparedCase(
        name=f"case-{number}",
        patient=patient or f"p{number}",
        site="site-1",
        modality="CT",
        image=(generator.normal(0, 0.3, size=SHAPE) + 1.5 * ball).astype(np.float16),
        label=ball.astype(np.uint8),
        foreground=np.column_stack([np.ones(len(places)), places]).astype(np.int32),
        spacing=(1.0, 1.0, 1.0),
    )


def private(unit: str, **more: Any) -> dict[str, Any]:
    """The settings of private training."""
    values = {"noise_multiplier": 1.0, "max_grad_norm": 0.5, "sampling_rate": 0.5}
    return {**values, "unit": unit, **more}


def small(unit: str, *, dp_sgd: dict[str, Any] | None = None, **more: Any) -> ResolvedSettings:
    """Settings of a small private run."""
    values = {
        "task": "heart",
        "channels": [4, 8],
        "patch_size": [32, 32],
        "batch_size": 4,
        "steps_per_round": 3,
        "dp_sgd": private(unit, **(dp_sgd or {})),
        **more,
    }
    return make_settings(**values)


def private_steps(
    cases: list[PreparedCase],
    settings: ResolvedSettings,
    *,
    noise: NormalSource | None = None,
    secret: Callable[[], int] | None = None,
) -> PrivateSteps:
    """Private steps on a new network."""
    batches = Batches(settings=settings, site="site-1", cases=cases, device=CPU)
    views = batches.views
    return PrivateSteps(
        settings=settings,
        network=build_network(settings).train(),
        loss=ViewLoss(build_loss(), supervised=views.supervised, consistency=views.consistency),
        cases=cases,
        augment=batches.augment,
        noise=noise,
        secret=secret,
    )


def counted() -> Callable[[], int]:
    """Secrets that anybody can foretell: the same in every call of this function."""
    return count(1).__next__
