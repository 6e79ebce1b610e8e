"""The marginal loss against its formula, MONAI's loss and the analytic gradient, in float64."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings, strategies
from monai.losses import DiceCELoss
from torch import Tensor

from fedgin.losses import build_loss
from fedgin.losses.marginal import merge_unknown
from fedgin.losses.views import ViewLoss

SMOOTHING = 1e-5
"""MONAI's default, in numerator and denominator of soft Dice."""


def make_scores(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(*shape, generator=generator, dtype=torch.float64)


def make_labels(known: Tensor, *space: int, seed: int = 1) -> Tensor:
    """Draws labels, for each sample among the classes that it knows."""
    generator = torch.Generator().manual_seed(seed)
    labels = [
        torch.nonzero(row).flatten()[
            torch.randint(int(row.sum()), (1, *space), generator=generator)
        ]
        for row in known
    ]
    return torch.stack(labels)


def masks(*rows: Sequence[int]) -> Tensor:
    return torch.tensor(rows, dtype=torch.bool)


def marginal_probabilities(values: list[float], known: list[bool]) -> list[float]:
    """The softmax of one voxel, in which the background takes the unknown classes' shares."""
    powers = [math.exp(value) for value in values]
    shares = [power / math.fsum(powers) for power in powers]
    background = math.fsum(s for s, k in zip(shares[1:], known[1:], strict=True) if not k)
    return [shares[0] + background] + [
        share if k else 0.0 for share, k in zip(shares[1:], known[1:], strict=True)
    ]


def reference(scores: Tensor, labels: Tensor, known: Tensor) -> float:
    """The loss voxel by voxel, without torch's arithmetic."""
    batch, classes, *space = scores.shape
    entropies = []
    overlap, size = [0.0] * classes, [0.0] * classes
    for sample in range(batch):
        there = known[sample].tolist()
        for voxel in itertools.product(*(range(length) for length in space)):
            q = marginal_probabilities(scores[(sample, slice(None), *voxel)].tolist(), there)
            label = int(labels[(sample, 0, *voxel)])
            entropies.append(-math.log(q[label]))
            for index in range(1, classes):
                if there[index]:
                    overlap[index] += q[index] * (label == index)
                    size[index] += q[index] + (label == index)
    by_class = [
        1 - (2 * overlap[index] + SMOOTHING) / (size[index] + SMOOTHING)
        for index in range(1, classes)
        if any(row[index] for row in known.tolist())
    ]
    dice = sum(by_class) / len(by_class) if by_class else 0.0
    return dice + sum(entropies) / len(entropies)


CASES = {
    "one site": (masks([1, 1, 0, 0, 1], [1, 1, 0, 0, 1]), (4, 3)),
    "two sites": (masks([1, 1, 1, 0, 0], [1, 0, 0, 1, 1], [1, 1, 1, 0, 0]), (3, 4)),
    "one of them whole": (masks([1, 1, 1], [1, 0, 1]), (3, 5)),
    "a class that nobody knows": (masks([1, 1, 0, 0], [1, 0, 1, 0]), (4, 4)),
    "nothing known": (masks([1, 0, 0]), (3, 3)),
    "volumes": (masks([1, 1, 0], [1, 0, 1]), (2, 3, 4)),
}


@pytest.mark.parametrize(("known", "space"), CASES.values(), ids=CASES)
def test_it_is_its_formula(known: Tensor, space: tuple[int, ...]) -> None:
    scores = make_scores(*known.shape, *space)
    labels = make_labels(known, *space)
    value = build_loss()(scores, labels, known)
    assert float(value) == pytest.approx(reference(scores, labels, known), rel=1e-9)


@given(
    rows=strategies.lists(
        strategies.lists(strategies.booleans(), min_size=3, max_size=3), min_size=1, max_size=4
    ),
    seed=strategies.integers(0, 10**6),
)
@settings(max_examples=30, deadline=None)
def test_it_is_its_formula_for_any_annotations(rows: list[list[bool]], seed: int) -> None:
    known = masks(*([1, *row] for row in rows))
    scores = make_scores(*known.shape, 3, 2, seed=seed)
    labels = make_labels(known, 3, 2, seed=seed)
    value = build_loss()(scores, labels, known)
    assert float(value) == pytest.approx(reference(scores, labels, known), rel=1e-9)


@pytest.mark.parametrize("space", [(12, 16), (6, 8, 10)])
@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("told", [False, True])
def test_with_all_classes_known_it_is_monais_loss_bit_for_bit(
    space: tuple[int, ...], classes: int, told: bool
) -> None:
    scores = make_scores(3, classes, *space).float()
    known = torch.ones(3, classes, dtype=torch.bool)
    labels = make_labels(known, *space).to(torch.uint8)
    monai = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)
    gradients, values = [], []
    for loss in (monai, build_loss()):
        leaf = scores.clone().requires_grad_()
        more = {"known": known} if told and loss is not monai else {}
        value = loss(leaf, labels, **more)
        value.backward()
        values.append(value.detach())
        gradients.append(leaf.grad)
    assert torch.equal(values[0], values[1])
    # Told that all is known, the background's score goes through a logarithm of one exponential.
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5 if told else 0, atol=0)


def test_merging_leaves_samples_that_know_everything_as_they_are() -> None:
    scores = make_scores(2, 4, 5, 5).float()
    merged = merge_unknown(scores, masks([1, 1, 1, 1], [1, 0, 1, 1]))
    assert torch.equal(merged[0], scores[0])
    assert not torch.equal(merged[1], scores[1])


def test_merged_shares_are_sums_of_shares() -> None:
    scores = make_scores(1, 5, 7)
    known = masks([1, 0, 1, 0, 1])
    shares, merged = scores.softmax(dim=1), merge_unknown(scores, known).softmax(dim=1)
    torch.testing.assert_close(merged[0, 0], shares[0, 0] + shares[0, 1] + shares[0, 3])
    torch.testing.assert_close(merged[0, [2, 4]], shares[0, [2, 4]])
    assert (merged[0, [1, 3]] == 0).all()


def test_the_cross_entropys_gradient_is_the_analytic_one() -> None:
    """Of N voxels, with G the background and the unknown classes, and q_0 the sum of p over G.

    d/ds_k of -log q_0 is p_k - [k in G] p_k / q_0; of -log p_c with c known it is p_k - [k = c].
    """
    known = masks([1, 1, 0, 0], [1, 0, 1, 1])
    scores = make_scores(2, 4, 3, 3).requires_grad_()
    labels = make_labels(known, 3, 3)
    entropy = torch.nn.functional.cross_entropy(merge_unknown(scores, known), labels.squeeze(1))
    entropy.backward()
    p = scores.detach().softmax(dim=1)
    expected = torch.zeros_like(p)
    for sample, y, x in itertools.product(range(2), range(3), range(3)):
        group = [0, *(k for k in range(1, 4) if not known[sample, k])]
        label = int(labels[sample, 0, y, x])
        total = float(p[sample, group, y, x].sum())
        for k in range(4):
            share = float(p[sample, k, y, x])
            hit = (share / total if k in group else 0.0) if label == 0 else float(k == label)
            expected[sample, k, y, x] = (share - hit) / 18
    torch.testing.assert_close(scores.grad, expected, rtol=1e-9, atol=1e-12)


def test_no_gradient_tells_unknown_classes_from_the_background() -> None:
    """Moving a voxel's share between background and unknown classes changes nothing."""
    known = masks([1, 1, 0])
    scores = make_scores(1, 3, 4, 4)
    labels = make_labels(known, 4, 4)
    shares = scores.softmax(dim=1)
    moved = torch.stack([shares[:, 0] * 0.1, shares[:, 1], shares[:, 2] + shares[:, 0] * 0.9], 1)
    loss = build_loss()
    assert float(loss(moved.log(), labels, known)) == pytest.approx(
        float(loss(scores, labels, known)), rel=1e-9
    )


def test_extreme_scores_give_finite_gradients() -> None:
    known = masks([1, 0, 1], [1, 1, 0])
    scores = (1e4 * make_scores(2, 3, 4, 4)).float().requires_grad_()
    value = build_loss()(scores, make_labels(known, 4, 4), known)
    value.backward()
    assert value.isfinite()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_every_supervised_view_is_told_what_is_known() -> None:
    known = masks([1, 1, 0], [1, 0, 1])
    scores = make_scores(6, 3, 4, 4)
    labels = make_labels(known, 4, 4)
    loss = ViewLoss(build_loss(), supervised=2, consistency=0.0)
    single = [reference(view, labels, known) for view in scores.split(2)[:2]]
    assert float(loss(scores, labels, known)) == pytest.approx(sum(single) / 2, rel=1e-6)


@pytest.mark.parametrize("marginal", [True, False])
def test_only_marginal_training_learns_a_class_that_one_of_two_sites_annotates(
    marginal: bool,
) -> None:
    """A bright voxel is class 1, a dark one class 2; one site draws only class 1, one only class 2.

    A linear model of the brightness can tell all three. Trained as if what is not drawn were
    background, it meets as many dark voxels that are background as are class 2.
    """
    image = torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64).repeat(40)
    truth = torch.tensor([1, 0, 2]).repeat(40)
    features = torch.stack([torch.ones_like(image), image, image**2], dim=1)
    weights = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    known = masks([1, 1, 0], [1, 0, 1])
    labels = torch.stack([truth * (truth == 1), truth * (truth == 2)])[:, None]
    optimizer = torch.optim.Adam([weights], lr=0.1)
    loss = build_loss()
    for _ in range(150):
        optimizer.zero_grad()
        scores = (features @ weights).T.expand(2, -1, -1)
        loss(scores, labels, known if marginal else None).backward()
        optimizer.step()
    shares = (features @ weights.detach()).softmax(dim=1)
    right = shares.gather(1, truth[:, None]).squeeze(1)
    assert (right > 0.9).all() if marginal else (right[truth > 0] < 0.8).all()
