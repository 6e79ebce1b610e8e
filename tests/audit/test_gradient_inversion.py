"""The attack's arithmetic: its loss, its gradients, and that it finds what it looks for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from fedgin.audit.gradient_inversion import (
    gradient_function,
    invert,
    slice_loss,
    smooth_network,
    update_of,
)
from fedgin.audit.inversion import Likeness, blind_guess, holds, likeness
from fedgin.audit.similarity import ssim
from fedgin.losses import build_loss

SIZE = 16


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """On images so small a second thread only waits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def slices(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(number)
    noise = torch.randn((2, 1, SIZE, SIZE), generator=generator, dtype=torch.float64)
    images = torch.nn.functional.avg_pool2d(noise, 5, stride=1, padding=2).mul(2).clamp(-1, 1)
    return images, (images > 0.1).double()


def test_the_loss_is_the_training_loss() -> None:
    images, labels = slices(0)
    scores = smooth_network(seed=0)(images[:1])
    expected = build_loss()(scores, labels[:1])
    assert slice_loss(scores, labels[0]).item() == pytest.approx(expected.item(), abs=1e-6)


def test_the_gradient_of_each_slice_is_that_of_plain_back_propagation() -> None:
    images, labels = slices(1)
    network = smooth_network(seed=0)
    mapped = gradient_function(network)(images, labels)
    for number in range(2):
        network.zero_grad()
        slice_loss(network(images[number : number + 1]), labels[number]).backward()
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(mapped[name][number], parameter.grad)


def test_an_update_is_minus_the_gradient() -> None:
    images, labels = slices(2)
    gradients = gradient_function(smooth_network(seed=0))(images, labels)
    for name, array in update_of(gradients, 1).items():
        np.testing.assert_allclose(array, -gradients[name][1].numpy(), rtol=1e-6)


def test_the_slice_is_found_whatever_the_length_of_the_update() -> None:
    images, labels = slices(3)
    gradients = gradient_function(smooth_network(seed=0))
    true = gradients(images, labels)
    results = []
    for factor in (1.0, 1e-3):
        updates = [
            {name: array * np.float32(factor) for name, array in update_of(true, n).items()}
            for n in range(2)
        ]
        results.append(
            invert(
                updates,
                labels,
                gradients=gradients,
                size=SIZE,
                variation=0.0,
                evaluations=60,
                seed=0,
            )
        )
        for found, image in zip(results[-1], images[:, 0].numpy(), strict=True):
            assert ssim(found, image, data_range=2.0) > 0.5
    assert np.abs(results[0] - results[1]).mean() < 0.2


def test_the_best_try_counts_and_the_median_over_slices() -> None:
    truth = np.random.default_rng(0).uniform(-1, 1, size=(3, SIZE, SIZE))
    wrong = -truth
    mixed = np.stack([truth[0], wrong[1], wrong[2]])
    assert likeness([wrong, truth], truth).ssim == pytest.approx(1.0)
    assert likeness([mixed], truth).ssim < 0.1


def test_a_blind_guess_of_equal_slices_is_right() -> None:
    same = np.tile(np.linspace(-1, 1, SIZE), (3, SIZE, 1))
    assert blind_guess(same).ssim == pytest.approx(1.0)


def test_the_bound_fails_without_the_defence() -> None:
    seen, guess = Likeness(0.95, 30.0), Likeness(0.5, 15.0)
    assert holds(without=seen, defended=Likeness(0.1, 10.0), guess=guess)
    assert not holds(without=seen, defended=seen, guess=guess)
    assert not holds(without=Likeness(0.4, 10.0), defended=Likeness(0.1, 10.0), guess=guess)
