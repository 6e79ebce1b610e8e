"""The distillation against its formula, and where it must be nothing."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from fedgin.losses import build_loss
from fedgin.losses.distillation import ConditionalDistillation, TaughtLoss
from fedgin.losses.views import ViewLoss

KNOWN = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]], dtype=torch.bool)


def make_scores(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(*shape, generator=generator, dtype=torch.float64)


def make_labels() -> Tensor:
    labels = torch.zeros(3, 1, 4, 5, dtype=torch.uint8)
    labels[0, :, :2] = 1
    labels[1, :, 2:] = 2
    labels[2, :, :, 2:] = 3
    return labels


def reference(scores: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> float:
    total, count = 0.0, 0
    for sample, y, x in itertools.product(range(3), range(4), range(5)):
        known = KNOWN[sample].tolist()
        group = [k for k in range(4) if k == 0 or not known[k]]
        ours, theirs = scores[sample, :, y, x].tolist(), teacher[sample, :, y, x].tolist()
        says_known = theirs.index(max(theirs)) not in group
        if len(group) == 1 or int(labels[sample, 0, y, x]) or says_known:
            continue
        t, s = ([math.exp(values[k] / temperature) for k in group] for values in (theirs, ours))
        t, s = ([part / math.fsum(parts) for part in parts] for parts in (t, s))
        total += sum(a * math.log(a / b) for a, b in zip(t, s, strict=True))
        count += 1
    assert 0 < count < 60
    return temperature**2 * total / count


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_it_is_its_formula(temperature: float) -> None:
    scores, teacher = make_scores(3, 4, 4, 5), make_scores(3, 4, 4, 5, seed=1)
    value = ConditionalDistillation(temperature=temperature)(scores, make_labels(), KNOWN, teacher)
    expected = reference(scores, teacher, make_labels(), temperature)
    assert float(value) == pytest.approx(expected, rel=1e-9)


def test_it_is_zero_without_gradient_where_both_agree() -> None:
    scores = make_scores(3, 4, 4, 5).float().requires_grad_()
    # What teacher and student say of known classes does not count, nor does a constant.
    teacher = scores.detach() + 7
    value = ConditionalDistillation(temperature=0.5)(scores, make_labels(), KNOWN, teacher)
    value.backward()
    assert float(value.detach()) == pytest.approx(0, abs=1e-6)
    assert scores.grad is not None
    assert scores.grad.abs().max() < 1e-6


def test_known_classes_get_no_gradient() -> None:
    scores = make_scores(3, 4, 4, 5).requires_grad_()
    teacher = make_scores(3, 4, 4, 5, seed=1)
    ConditionalDistillation(temperature=1.0)(scores, make_labels(), KNOWN, teacher).backward()
    assert scores.grad is not None
    assert (scores.grad[0, 1] == 0).all()
    assert (scores.grad[2] == 0).all()
    assert scores.grad[0, 2].abs().max() > 0


def test_it_is_nothing_where_everything_is_labelled_or_known() -> None:
    scores, teacher = make_scores(3, 4, 4, 5), make_scores(3, 4, 4, 5, seed=1)
    loss = ConditionalDistillation(temperature=1.0)
    assert float(loss(scores, torch.ones(3, 1, 4, 5), KNOWN, teacher)) == 0
    whole = torch.ones_like(KNOWN)
    assert float(loss(scores, torch.zeros(3, 1, 4, 5), whole, teacher)) == 0


def test_a_taught_loss_adds_the_supervised_views_mean_by_its_weight() -> None:
    views = make_scores(9, 4, 4, 5)
    teacher = make_scores(6, 4, 4, 5, seed=1)
    labels = make_labels()
    plain = ViewLoss(build_loss(), supervised=2, consistency=1.0)
    taught = TaughtLoss(plain, supervised=2, temperature=0.5)
    taught.weight = 0.3
    parts = [
        reference(ours, theirs, labels, 0.5)
        for ours, theirs in zip(views.split(3)[:2], teacher.split(3), strict=True)
    ]
    expected = float(plain(views, labels, KNOWN)) + 0.3 * sum(parts) / 2
    assert float(taught(views, labels, KNOWN, teacher)) == pytest.approx(expected, rel=1e-6)


def test_without_weight_teacher_or_unknown_classes_the_loss_is_the_plain_one() -> None:
    scores, teacher = make_scores(3, 4, 4, 5), make_scores(3, 4, 4, 5, seed=1)
    plain = build_loss()
    taught = TaughtLoss(plain, supervised=1, temperature=0.5)
    assert torch.equal(
        taught(scores, make_labels(), KNOWN, teacher), plain(scores, make_labels(), KNOWN)
    )
    taught.weight = 1.0
    assert torch.equal(taught(scores, make_labels()), plain(scores, make_labels()))
    assert torch.equal(taught(scores, make_labels(), KNOWN), plain(scores, make_labels(), KNOWN))
