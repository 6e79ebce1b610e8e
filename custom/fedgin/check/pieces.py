"""Organs that are one piece in everybody, and come in several in a label map."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from fedgin.check.finding import Finding
from fedgin.check.limits import EMPTY_PLANES
from fedgin.check.structures import Structure, plain_name
from fedgin.check.subject import CheckedCase

ONE_PIECE = (
    "liver",
    "spleen",
    "pancreas",
    "gallbladder",
    "kidney_right",
    "kidney_left",
    "right_kidney",
    "left_kidney",
    "heart",
    "brain",
)
AXES = {"R": "left and right", "A": "back and front", "S": "feet and head"}
OPPOSITE = {"L": "R", "P": "A", "I": "S"}


def check_pieces(case: CheckedCase) -> Iterator[Finding]:
    """Looks for planes without a voxel between planes that hold an organ.

    Contours that were drawn on every second slice leave such planes, and so does a slip of the
    brush far from the organ.
    """
    for name, organ in case.structures.items():
        if plain_name(name) not in ONE_PIECE:
            continue
        axis, empty = _most_empty(organ)
        if empty >= EMPTY_PLANES:
            letter = case.facts.orientation[axis]
            yield Finding(
                "warning",
                "pieces",
                (case.name,),
                f"{name} lies in {len(organ.runs[axis])} pieces between "
                f"{AXES[OPPOSITE.get(letter, letter)]}: {empty} planes between its first and its "
                "last hold none of it",
                "complete the slices that were left out, or remove the specks beside the organ",
            )


def _most_empty(organ: Structure) -> tuple[int, int]:
    """Returns the array axis along which most planes are left out, and their number."""
    empty = [
        sum(later[0] - run[1] - 1 for run, later in itertools.pairwise(runs)) for runs in organ.runs
    ]
    return max(enumerate(empty), key=lambda one: one[1], default=(0, 0))
