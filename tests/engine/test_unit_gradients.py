"""Each unit's gradient is its own, and is clipped whole."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings, strategies
from opacus.optimizers import DPOptimizer
from torch import Tensor, nn

from fedgin.engine.unit_gradients import ClippedSum, patch_gradients, whole_gradient
from fedgin.losses import build_loss
from fedgin.losses.views import ViewLoss
from fedgin.networks import build_network
from fedgin.settings import make_settings

PATCHES = 3
LOSS = ViewLoss(build_loss(), supervised=1, consistency=0.0)


def network(normalization: str = "instance") -> nn.Module:
    resolved = make_settings(
        task="heart", channels=[4, 8, 8], patch_size=[32, 32], normalization=normalization
    )
    return build_network(resolved).train()


def batch() -> tuple[Tensor, Tensor]:
    """Patches with structures of quite different sizes: their losses and gradients differ."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(PATCHES, 1, 32, 32, generator=generator)
    labels = torch.zeros(PATCHES, 1, 32, 32, dtype=torch.uint8)
    for number in range(PATCHES):
        labels[number, :, : 8 * number, : 8 * number] = 1
    return images + labels, labels


def alone(model: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
    """The gradient of the patches' loss in double precision, by torch alone."""
    double = copy.deepcopy(model).double()
    LOSS(double(images.double()), labels).backward()
    return [parameter.grad for parameter in double.parameters()]  # type: ignore[misc]


def norm(parts: Sequence[Tensor]) -> float:
    return float(torch.cat([part.flatten().double() for part in parts]).norm())


@pytest.mark.parametrize("normalization", ["instance", "instance_affine"])
def test_a_patchs_gradient_is_that_of_the_patch_alone(normalization: str) -> None:
    model = network(normalization)
    images, labels = batch()
    gradients, losses = patch_gradients(model, LOSS, images, labels)
    for number in range(PATCHES):
        one = slice(number, number + 1)
        expected = alone(model, images[one], labels[one])
        error = norm([g[number] - e for g, e in zip(gradients, expected, strict=True)])
        assert error < 1e-4 * norm(expected)
        assert float(losses[number]) == pytest.approx(
            LOSS(model(images[one]), labels[one]).item(), abs=1e-5
        )


def test_a_patch_does_not_change_the_gradients_of_the_others() -> None:
    """One soft Dice over the batch would: then clipping bounds nothing."""
    model = network()
    images, labels = batch()
    before, _ = patch_gradients(model, LOSS, images, labels)
    images[0], labels[0] = 50 * torch.randn(1, 32, 32), 1
    after, _ = patch_gradients(model, LOSS, images, labels)
    for first, second in zip(before, after, strict=True):
        assert torch.allclose(first[1:], second[1:], rtol=1e-4, atol=1e-6)
    assert norm([first[0] - second[0] for first, second in zip(before, after, strict=True)]) > 0.01
    coupled = [alone(model, images, labels)]
    images[0], labels[0] = 0, 0
    coupled.append(alone(model, images, labels))
    assert norm([a - b for a, b in zip(*coupled, strict=True)]) > 0.01


def test_opacus_leaves_no_trace() -> None:
    model, untouched = network("instance_affine"), network("instance_affine")
    images, labels = batch()
    patch_gradients(model, LOSS, images, labels)
    for module, other in zip(model.modules(), untouched.modules(), strict=True):
        assert vars(module).keys() == vars(other).keys()
        assert not module._forward_hooks
        assert not module._backward_hooks
        assert getattr(module, "inplace", None) == getattr(other, "inplace", None)
    for parameter in model.parameters():
        assert parameter.grad is None
        assert not hasattr(parameter, "grad_sample")
    assert torch.equal(model(images), untouched(images))


def test_a_patients_gradient_is_one_over_all_its_patches() -> None:
    model = network()
    images, labels = batch()
    gradients, losses = whole_gradient(model, LOSS, images, labels)
    expected = alone(model, images, labels)
    assert losses.shape == (1,)
    assert all(g.shape == (1, *e.shape) for g, e in zip(gradients, expected, strict=True))
    error = norm([g[0] - e for g, e in zip(gradients, expected, strict=True)])
    assert error < 1e-4 * norm(expected)


@pytest.mark.parametrize("max_norm", [0.01, 0.6, 100.0])
def test_the_clipped_sum_is_that_of_a_loop_and_of_opacus_own_optimizer(max_norm: float) -> None:
    model = network()
    images, labels = batch()
    gradients, _ = patch_gradients(model, LOSS, images, labels)
    total = ClippedSum(list(model.parameters()), max_norm=max_norm)
    total.add([g[:2] for g in gradients])
    total.add([g[2:] for g in gradients])

    looped = [torch.zeros_like(p, dtype=torch.float64) for p in model.parameters()]
    for number in range(PATCHES):
        one = alone(model, images[number : number + 1], labels[number : number + 1])
        factor = min(1.0, max_norm / norm(one))
        looped = [s + factor * g for s, g in zip(looped, one, strict=True)]
    scale = norm(looped)
    assert norm([a - b for a, b in zip(total.sums, looped, strict=True)]) < 1e-4 * scale

    optimizer = DPOptimizer(
        torch.optim.SGD(model.parameters(), lr=1.0),
        noise_multiplier=0.0,
        max_grad_norm=max_norm,
        expected_batch_size=None,
        loss_reduction="sum",
    )
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        parameter.grad_sample = gradient  # type: ignore[attr-defined]
    optimizer.pre_step()
    theirs = [parameter.grad for parameter in model.parameters()]
    difference = [a - b for a, b in zip(total.sums, theirs, strict=True)]  # type: ignore[operator]
    assert norm(difference) < 1e-4 * scale


values = strategies.floats(width=32, allow_nan=True, allow_infinity=True)
units = strategies.lists(strategies.lists(values, min_size=5, max_size=5), max_size=4)


@settings(max_examples=150, deadline=None)
@example(others=[], unit=[0.0, 0.0, 0.0, 0.0, 3.402720228920406e38], max_norm=0.125)
@given(
    others=units,
    unit=strategies.lists(values, min_size=5, max_size=5),
    max_norm=strategies.floats(0.01, 100),
)
def test_one_unit_more_moves_the_sum_by_the_clip_norm_at_most_whatever_it_holds(
    others: list[list[float]], unit: list[float], max_norm: float
) -> None:
    def summed(rows: list[list[float]]) -> np.ndarray:
        parameters = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3, 1))]
        total = ClippedSum(parameters, max_norm=max_norm)
        for row in rows:
            tensor = torch.tensor([row], dtype=torch.float32)
            total.add([tensor[:, :2], tensor[:, 2:].reshape(1, 3, 1)])
        return np.concatenate([part.flatten().numpy() for part in total.sums])

    without, with_unit = summed(others), summed([*others, unit])
    assert np.isfinite(with_unit).all()
    assert np.linalg.norm(with_unit - without) <= max_norm * (1 + 1e-9)
