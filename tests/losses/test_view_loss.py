"""The loss over views against its formula, voxel by voxel in float64."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from fedgin.losses import build_loss
from fedgin.losses.views import ViewLoss, consistency


def scores(*shape: int, seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def softmax(values: list[float]) -> list[float]:
    powers = [math.exp(value - max(values)) for value in values]
    return [power / sum(powers) for power in powers]


def consistency_reference(values: torch.Tensor) -> float:
    """Mean over views and voxels of sum over classes p log(p / q), q the mean of p over views."""
    views, batch, _, *space = values.shape
    total, count = 0.0, 0
    for place in itertools.product(range(batch), *(range(size) for size in space)):
        sample, *voxel = place
        p = [softmax(values[(view, sample, slice(None), *voxel)].tolist()) for view in range(views)]
        q = [sum(column) / views for column in zip(*p, strict=True)]
        for row in p:
            total += sum(a * math.log(a / b) for a, b in zip(row, q, strict=True) if a > 0)
            count += 1
    return total / count


@pytest.mark.parametrize("shape", [(3, 2, 4, 5, 3), (2, 1, 2, 3, 4, 2), (4, 2, 7, 2, 2)], ids=str)
def test_consistency_is_the_mean_divergence_from_the_mean(shape: tuple[int, ...]) -> None:
    values = scores(*shape).double()
    assert float(consistency(values)) == pytest.approx(consistency_reference(values), rel=1e-6)


def test_consistency_is_zero_where_all_views_agree() -> None:
    same = scores(1, 2, 4, 6, 6).expand(3, -1, -1, -1, -1)
    assert float(consistency(same)) == pytest.approx(0, abs=1e-6)
    # A softmax does not see a constant added to all classes.
    assert float(consistency(torch.stack([same[0], same[0] + 7]))) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("views", [2, 3])
def test_consistency_is_the_logarithm_of_the_views_where_they_contradict(views: int) -> None:
    certain = torch.full((views, 1, views, 2, 2), -1e4)
    for view in range(views):
        certain[view, :, view] = 1e4
    assert float(consistency(certain)) == pytest.approx(math.log(views), rel=1e-5)


def test_consistency_and_its_gradient_stay_finite_for_extreme_scores() -> None:
    values = (1e4 * scores(3, 2, 3, 4, 4)).requires_grad_()
    result = consistency(values)
    result.backward()
    assert torch.isfinite(result)
    assert torch.isfinite(values.grad).all()


def test_consistency_pulls_the_predictions_together() -> None:
    values = scores(3, 1, 2, 4, 4).requires_grad_()
    first = consistency(values)
    first.backward()
    moved = values.detach() - 5 * values.grad
    assert float(consistency(moved)) < float(first.detach())


class MeanGap(nn.Module):
    """A loss whose value by hand is easy: mean of the scores minus mean of the labels."""

    def forward(
        self, values: torch.Tensor, labels: torch.Tensor, known: torch.Tensor | None = None
    ) -> torch.Tensor:
        return values.mean() - labels.double().mean()


@pytest.mark.parametrize("weight", [0.0, 10.0])
@pytest.mark.parametrize(("views", "supervised"), [(1, 1), (3, 1), (2, 2), (3, 2)])
def test_the_loss_is_the_supervised_mean_plus_the_weighted_consistency(
    views: int, supervised: int, weight: float
) -> None:
    values = scores(views * 2, 3, 4, 5).double()
    labels = torch.randint(3, (2, 1, 4, 5), generator=torch.Generator().manual_seed(1))
    loss = ViewLoss(MeanGap(), supervised=supervised, consistency=weight)
    segmentation = [
        float(values[2 * view : 2 * view + 2].mean()) - float(labels.double().mean())
        for view in range(supervised)
    ]
    expected = sum(segmentation) / supervised
    if views > 1:
        expected += weight * consistency_reference(values.reshape(views, 2, 3, 4, 5))
    assert float(loss(values, labels)) == pytest.approx(expected, rel=1e-6)


def test_one_view_is_the_plain_segmentation_loss() -> None:
    values = scores(2, 3, 8, 8)
    labels = torch.randint(3, (2, 1, 8, 8), generator=torch.Generator().manual_seed(2))
    loss = ViewLoss(build_loss(), supervised=1, consistency=10.0)
    assert float(loss(values, labels)) == float(build_loss()(values, labels))


def test_unsupervised_views_learn_from_the_consistency_alone() -> None:
    values = scores(6, 2, 4, 4).requires_grad_()
    labels = torch.ones(2, 1, 4, 4, dtype=torch.int64)
    ViewLoss(build_loss(), supervised=1, consistency=0.0)(values, labels).backward()
    assert values.grad[:2].abs().sum() > 0
    assert values.grad[2:].abs().sum() == 0
    values.grad = None
    ViewLoss(build_loss(), supervised=1, consistency=1.0)(values, labels).backward()
    assert values.grad[2:].abs().sum() > 0
