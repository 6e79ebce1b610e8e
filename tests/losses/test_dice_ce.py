"""Soft Dice and cross-entropy: MONAI's values and gradients, and the formula by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.losses import DiceCELoss, DiceLoss

from fedgin.losses.dice_ce import DiceCrossEntropy, soft_dice

OPTIONS = {"include_background": False, "to_onehot_y": True, "softmax": True, "batch": True}


@pytest.mark.parametrize("classes", [2, 6])
@pytest.mark.parametrize("shape", [(4, 24, 20), (2, 8, 12, 10)])
@pytest.mark.parametrize("kind", [torch.uint8, torch.int64])
def test_it_is_monai_s_to_the_last_bit(
    classes: int, shape: tuple[int, ...], kind: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(classes)
    batch, *patch = shape
    scores = torch.randn(batch, classes, *patch, generator=generator, requires_grad=True)
    labels = torch.randint(0, classes, (batch, 1, *patch), generator=generator).to(kind)
    found, expected = DiceCrossEntropy()(scores, labels), DiceCELoss(**OPTIONS)(scores, labels)
    assert torch.equal(found, expected)
    gradients = [torch.autograd.grad(loss, scores)[0] for loss in (found, expected)]
    assert torch.equal(*gradients)
    by_class = DiceLoss(**OPTIONS, reduction="none")(scores, labels).reshape(-1)
    assert torch.equal(soft_dice(scores, labels), by_class)


def test_it_is_the_formula_in_double_precision() -> None:
    generator = np.random.default_rng(3)
    scores = generator.normal(size=(2, 3, 4, 5))
    labels = generator.integers(0, 3, size=(2, 1, 4, 5))
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    dice, entropy = [], []
    for index in (1, 2):
        p, t = shares[:, index], labels[:, 0] == index
        dice.append(1 - (2 * (p * t).sum() + 1e-5) / (p.sum() + t.sum() + 1e-5))
    for sample, y, x in np.ndindex(2, 4, 5):
        entropy.append(-np.log(shares[sample, labels[sample, 0, y, x], y, x]))
    found = DiceCrossEntropy()(torch.from_numpy(scores), torch.from_numpy(labels))
    assert found.item() == pytest.approx(np.mean(dice) + np.mean(entropy), abs=1e-12)
