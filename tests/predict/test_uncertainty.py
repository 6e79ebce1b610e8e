"""Agreement, dissent and entropy, against plain sums; and the rule that judges them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from fedgin.predict.flags import (
    LEAST_AGREEMENT,
    MOST_DISSENT,
    MOST_ENTROPY,
    is_uncertain,
)
from fedgin.predict.probabilities import ScoredSlab
from fedgin.predict.uncertainty import NOTHING, Doubt, DoubtCounter

N = 4


def random_volume() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(0)
    scores = ndimage.gaussian_filter(generator.normal(size=(9, N, 20, 24)), (0, 0, 3, 3)) * 30
    scores[3] = np.array([9.0, 0, 0, 0])[:, None, None]  # a slice without anything
    probabilities = torch.from_numpy(scores).float().softmax(1)
    classes = probabilities.argmax(1).to(torch.uint8)
    shifted = torch.from_numpy(
        np.where(generator.random(classes.shape) < 0.1, 0, classes).astype(np.uint8)
    )
    return (
        probabilities,
        classes,
        torch.from_numpy(generator.random(classes.shape)).float(),
        shifted,
    )


@pytest.mark.parametrize("size", [1, 4, 9])
def test_means_near_a_structure_are_those_of_plain_sums(size: int) -> None:
    probabilities, classes, dissent, shifted = random_volume()
    counter = DoubtCounter(N)
    for start in range(0, 9, size):
        part = slice(start, start + size)
        counter.add(
            ScoredSlab(start, probabilities[part], classes[part], dissent[part], shifted[part])
        )
    p = probabilities.numpy().astype(np.float64)
    entropy = -(p * np.log(np.maximum(p, 1e-30))).sum(1) / math.log(N)
    square = np.ones((1, 3, 3))
    a, b = classes.numpy(), shifted.numpy()
    for index in range(N):
        inside = a > 0 if index == 0 else a == index
        again = b > 0 if index == 0 else b == index
        near = ndimage.binary_dilation(inside, square)
        both = (a == b) & inside
        found = counter.overall() if index == 0 else counter.of_class(index)
        assert found.entropy == pytest.approx(entropy[near].mean(), abs=1e-5)
        assert found.dissent == pytest.approx(dissent.numpy()[near].mean(), abs=1e-5)
        expected = 2 * both.sum() / (inside.sum() + again.sum())
        assert found.agreement == pytest.approx(expected, abs=1e-9)


def test_a_confused_class_is_no_agreement() -> None:
    classes = torch.ones((1, 4, 4), dtype=torch.uint8)
    probabilities = torch.full((1, N, 4, 4), 1 / N)
    counter = DoubtCounter(N)
    counter.add(ScoredSlab(0, probabilities, classes, shifted=2 * classes))
    assert counter.overall().agreement == 0
    assert counter.overall().entropy == pytest.approx(1)


def test_nothing_found_says_nothing_and_something_found_aside_only_is_no_agreement() -> None:
    empty = torch.zeros((1, 4, 4), dtype=torch.uint8)
    probabilities = torch.full((1, N, 4, 4), 1 / N)
    counter = DoubtCounter(N)
    counter.add(ScoredSlab(0, probabilities, empty))
    assert counter.overall() == NOTHING
    counter.add(ScoredSlab(1, probabilities, empty, shifted=empty + 1))
    assert counter.of_class(1) == Doubt(agreement=0.0)


@pytest.mark.parametrize(
    ("doubt", "uncertain"),
    [
        (Doubt(agreement=LEAST_AGREEMENT - 0.01, dissent=0, entropy=0), True),
        (Doubt(agreement=LEAST_AGREEMENT, dissent=1, entropy=1), False),
        (Doubt(dissent=MOST_DISSENT + 0.01, entropy=0), True),
        (Doubt(dissent=MOST_DISSENT, entropy=1), False),
        (Doubt(entropy=MOST_ENTROPY + 0.01), True),
        (Doubt(entropy=MOST_ENTROPY), False),
        (NOTHING, False),
    ],
)
def test_the_best_of_what_was_measured_judges(doubt: Doubt, uncertain: bool) -> None:
    assert is_uncertain(doubt, least_agreement=LEAST_AGREEMENT) is uncertain
