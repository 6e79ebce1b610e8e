"""Whoever follows a suggestion never swaps left and right."""

from __future__ import annotations

import pytest

from fedgin.data.dicom.naming import Naming
from fedgin.errors import DataError
from fedgin.structure_words import nearest_structure, side_of

SIDES = {
    "right": ["Right Kidney", "kidney_r", "RKidney", "KidneyRight", "rightkidney", "Niere rechts"],
    "left": ["kidney-LT", "KidneyL", "left_kidney", "kidneyleft", "rein gauche", "rene sinistro"],
    "": ["kidney", "Liver", "Leber", "gall bladder"],
    "both": ["Kidney L+R", "left and right kidney"],
}


@pytest.mark.parametrize("side", SIDES)
def test_a_side_is_read_in_every_spelling(side: str) -> None:
    assert [side_of(name) for name in SIDES[side]] == [side] * len(SIDES[side])


def test_no_name_of_another_side_is_ever_suggested() -> None:
    names = {name: side for side, names in SIDES.items() for name in names}
    for name, side in names.items():
        others = [other for other, its in names.items() if its != side]
        assert nearest_structure(name, others).startswith("allowed: ")


@pytest.mark.parametrize(
    ("name", "allowed", "meant"),
    [
        ("Left Kidney", ["Kidney left", "Right Kidney"], "Kidney left"),
        ("kidney_left", ["kidney_right", "KIDNEY L"], "KIDNEY L"),
        ("bladder gall", ["liver", "Gall_Bladder"], "Gall_Bladder"),
        ("livr", ["liver", "kidney_left"], "liver"),
        ("kindey_left", ["kidney_right", "kidney_left"], "kidney_left"),
    ],
)
def test_the_same_words_come_first_and_then_the_nearest(
    name: str, allowed: list[str], meant: str
) -> None:
    assert nearest_structure(name, allowed) == f"did you mean '{meant}'?"


def test_a_segment_in_another_word_order_is_not_taken_for_the_other_side() -> None:
    segments = {"kidney_right": ("Right Kidney",), "kidney_left": ("Kidney left",)}
    with pytest.raises(DataError) as caught:
        Naming(segments=segments).choose({1: "Right Kidney", 2: "Left Kidney"}, where="seg.dcm")
    assert caught.value.problems[0].found == "'Left Kidney' (did you mean 'Kidney left'?)"
