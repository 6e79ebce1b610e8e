"""The largest piece of each structure, against a flood fill."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fedgin.predict.components import keep_largest


def pieces_of(mask: np.ndarray) -> list[set[tuple[int, ...]]]:
    """Pieces by flood fill over all 26 neighbours."""
    left = {tuple(map(int, place)) for place in np.argwhere(mask)}
    steps = [step for step in itertools.product((-1, 0, 1), repeat=3) if any(step)]
    pieces = []
    while left:
        piece, border = set(), [left.pop()]
        while border:
            place = border.pop()
            piece.add(place)
            for step in steps:
                near = tuple(a + b for a, b in zip(place, step, strict=True))
                if near in left:
                    left.remove(near)
                    border.append(near)
        pieces.append(piece)
    return pieces


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("seed", range(4))
def test_only_the_largest_piece_stays(seed: int, order: str) -> None:
    generator = np.random.default_rng(seed)
    label = np.asarray(generator.choice(3, (9, 8, 10), p=(0.84, 0.08, 0.08)), np.uint8, order=order)
    before = label.copy()
    removed = keep_largest(label, (1, 2))
    for index in (1, 2):
        pieces = pieces_of(before == index)
        kept = {tuple(map(int, place)) for place in np.argwhere(label == index)}
        assert kept in pieces
        assert len(kept) == max(map(len, pieces))
        assert removed[index] == int((before == index).sum()) - len(kept)
    assert (label[before == 0] == 0).all()


def test_a_class_in_one_piece_or_absent_stays_as_it_is() -> None:
    label = np.zeros((6, 6, 6), np.uint8)
    label[1:3, 1:3, 1:3] = 2
    label[3, 3, 3] = 2  # touches at a corner
    before = label.copy()
    assert keep_largest(label, (1, 2, 3)) == {}
    assert np.array_equal(label, before)
