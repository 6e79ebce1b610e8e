"""Deep supervision against its formula, output by output and voxel by voxel."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fedgin.losses import build_loss
from fedgin.losses.deep_supervision import DeepSupervision, labels_on, output_weights
from fedgin.losses.views import ViewLoss, consistency


def scores(*shape: int, seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def some_labels(*shape: int, classes: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(9)
    return torch.randint(0, classes, shape, generator=generator, dtype=torch.uint8)


def reference(outputs: list[np.ndarray], labels: np.ndarray) -> float:
    """Soft Dice over the batch without background, plus cross-entropy, in float64 by loops."""
    total, weight_sum = 0.0, 0.0
    for level, output in enumerate(outputs):
        step = 2**level
        # The fine voxel nearest to the centre of a coarse one; of equally near ones the later.
        space = [np.arange(size) * step + step // 2 for size in output.shape[2:]]
        truth = labels[np.ix_(range(len(labels)), [0], *space)][:, 0]
        exp = np.exp(output - output.max(axis=1, keepdims=True))
        p = exp / exp.sum(axis=1, keepdims=True)
        entropy = np.mean(
            [
                -np.log(p[(sample, truth[(sample, *place)], *place)])
                for sample in range(len(p))
                for place in itertools.product(*(range(size) for size in truth.shape[1:]))
            ]
        )
        dice = []
        for index in range(1, p.shape[1]):
            here, shown = truth == index, p[:, index]
            dice.append(
                1 - (2 * shown[here].sum() + 1e-5) / (shown.sum() + float(here.sum()) + 1e-5)
            )
        total += 0.5**level * (entropy + float(np.mean(dice)))
        weight_sum += 0.5**level
    return total / weight_sum


@pytest.mark.parametrize("grid", [(8, 12), (4, 8, 12)], ids=str)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_loss_is_the_weighted_sum_over_outputs(grid: tuple[int, ...], count: int) -> None:
    outputs = [
        scores(2, 3, *(size // 2**level for size in grid), seed=level).double()
        for level in range(count)
    ]
    labels = some_labels(2, 1, *grid)
    found = float(build_loss()(tuple(outputs), labels))
    expected = reference([output.numpy() for output in outputs], labels.numpy())
    assert found == pytest.approx(expected, rel=1e-6)


def test_with_one_output_the_loss_is_that_without_deep_supervision() -> None:
    values, labels = scores(2, 3, 4, 8, 8), some_labels(2, 1, 4, 8, 8)
    loss = build_loss()
    assert isinstance(loss, DeepSupervision)
    plain = loss.loss(values, labels)
    assert torch.equal(loss((values,), labels), plain)
    assert torch.equal(loss(values, labels), plain)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_each_output_weighs_half_of_the_finer_one_and_all_weigh_one(count: int) -> None:
    weights = output_weights(count)
    assert sum(weights) == pytest.approx(1)
    assert all(b == pytest.approx(a / 2) for a, b in itertools.pairwise(weights))


def test_labels_of_an_anisotropic_level_are_thinned_along_its_halved_axes_only() -> None:
    labels = some_labels(1, 1, 3, 8, 8)
    found = labels_on(labels, (3, 4, 4))
    assert found.dtype == torch.uint8
    assert torch.equal(found, labels[:, :, :, 1::2, 1::2])
    assert labels_on(labels, (3, 8, 8)) is labels


def test_large_class_indices_survive() -> None:
    labels = torch.full((1, 1, 4, 4), 255, dtype=torch.uint8)
    assert torch.equal(labels_on(labels, (2, 2)), labels[:, :, ::2, ::2])


class Recorder(nn.Module):
    """A loss that remembers what it was called with."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[tuple[int, ...], dict[str, Any]]] = []

    def forward(self, scores: torch.Tensor, labels: torch.Tensor, **context: Any) -> torch.Tensor:
        assert scores.shape[2:] == labels.shape[2:]
        self.calls.append((tuple(scores.shape), context))
        return scores.mean()


def test_what_else_the_inner_loss_takes_reaches_it_for_every_output() -> None:
    inner = Recorder()
    outputs = (scores(2, 3, 8, 8), scores(2, 3, 4, 4))
    known = torch.ones(2, 3, dtype=torch.bool)
    loss = ViewLoss(DeepSupervision(inner), supervised=1, consistency=0.0)
    loss(outputs, some_labels(2, 1, 8, 8), known=known)
    assert [shape for shape, _ in inner.calls] == [(2, 3, 8, 8), (2, 3, 4, 4)]
    assert all(context["known"] is known for _, context in inner.calls)


def test_views_are_supervised_at_every_level_and_consistent_at_the_finest() -> None:
    fine, coarse = scores(6, 3, 4, 8, 8), scores(6, 3, 2, 4, 4, seed=1)
    labels = some_labels(2, 1, 4, 8, 8)
    found = ViewLoss(build_loss(), supervised=2, consistency=10.0)((fine, coarse), labels)
    loss = build_loss()
    views = [(fine[n : n + 2], coarse[n : n + 2]) for n in (0, 2, 4)]
    supervised = (loss(views[0], labels) + loss(views[1], labels)) / 2
    expected = supervised + 10 * consistency(torch.stack([view[0] for view in views]))
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


def test_the_gradient_reaches_every_output() -> None:
    outputs = [scores(2, 3, 8, 8).requires_grad_(), scores(2, 3, 4, 4).requires_grad_()]
    loss = ViewLoss(build_loss(), supervised=1, consistency=0.0)
    loss(outputs, some_labels(2, 1, 8, 8)).backward()
    for output in outputs:
        assert output.grad is not None
        assert float(output.grad.abs().max()) > 0
