"""Left is the patient's left, whatever the order in which voxels are stored."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged import NAMES, checked, found, told
from made_sets import ORGANS, make_pair, stored_as

from fedgin.data.volume import LabelledVolume, Volume

CODES = [
    "".join(letters)
    for axes in itertools.permutations(("RL", "AP", "SI"))
    for letters in itertools.product(*axes)
]
SWAPPED_KIDNEYS = {**ORGANS, 3: ORGANS[4], 4: ORGANS[3]}


def stored(pair: LabelledVolume, codes: str) -> LabelledVolume:
    return LabelledVolume(image=stored_as(pair.image, codes), label=stored_as(pair.label, codes))


def mirrored(pair: LabelledVolume) -> LabelledVolume:
    """The same arrays under a header that takes the patient's right for the left."""
    affine = np.diag([-1.0, 1, 1, 1]) @ pair.image.affine
    return LabelledVolume(Volume(pair.image.array, affine), Volume(pair.label.array, affine))


def rules(pair: LabelledVolume, names: Mapping[int, str] = NAMES) -> set[str]:
    return {rule for _, rule, _ in told(checked(pair, names=names), names=names)}


@settings(max_examples=25, deadline=None)
@given(codes=st.sampled_from(CODES), swapped=st.booleans(), seed=st.integers(0, 50))
def test_the_verdict_does_not_depend_on_the_order_of_storage(
    codes: str, swapped: bool, seed: int
) -> None:
    pair = make_pair(seed=seed, organs=SWAPPED_KIDNEYS if swapped else ORGANS)
    assert rules(stored(pair, codes)) == ({"left and right"} if swapped else set())


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SPL"])
def test_swapped_kidneys_are_told_with_the_mend(codes: str) -> None:
    (finding,) = found(checked(stored(make_pair(organs=SWAPPED_KIDNEYS), codes), name="p07"))
    assert (finding.level, finding.cases) == ("error", ("p07",))
    # The boxes' centres are 16 voxels of 8 mm apart.
    assert finding.text == "kidney_right lies 128 mm to the patient's left of kidney_left"
    assert "swapped" in finding.mend
    assert "mirrors" not in finding.mend


def test_a_mirrored_header_is_told_as_one() -> None:
    findings = found(checked(mirrored(make_pair())))
    assert {(one.level, one.rule) for one in findings} == {
        ("error", "left and right"),
        ("warning", "sides"),
    }
    assert all("mirrors" in one.mend for one in findings)


@pytest.mark.parametrize(("swapped", "level"), [(0.0, None), (0.4, "warning"), (0.6, "error")])
def test_kidneys_that_are_swapped_in_some_slices_are_told(
    swapped: float, level: str | None
) -> None:
    pair = make_pair()
    label = pair.label.array
    top = 3 + round(8 * swapped)  # both kidneys lie in slices 3 to 10
    part = label[:, :, :top].copy()
    label[:, :, :top] = np.where(part == 3, 4, np.where(part == 4, 3, part))
    levels = [one.level for one in found(checked(pair)) if one.rule == "left and right"]
    assert levels == ([level] if level else [])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((1, 2), "liver lies"),
        ((6, 2), "gallbladder lies"),
        ((3, 2), "kidney_right lies"),
        ((1, 4), "liver lies"),
    ],
)
def test_single_organs_give_a_hint(values: tuple[int, ...], words: str) -> None:
    pair = make_pair(organs={value: ORGANS[value] for value in values})
    names = {value: name for value, name in NAMES.items() if value in (0, *values)}
    assert rules(pair, names) == set()
    (finding,) = found(checked(mirrored(pair), names=names), names=names)
    assert (finding.level, finding.rule) == ("warning", "sides")
    assert finding.text.startswith(words)


@pytest.mark.parametrize(
    ("right", "left", "judged"),
    [
        ("kidney_right", "kidney_left", True),
        ("Kidney Right", "Kidney Left", True),
        ("right kidney", "left kidney", True),
        ("rib_right_7", "rib_left_7", True),
        ("rib_right_7", "rib_left_8", False),
        ("right_ventricle", "left_ventricle", False),
        ("heart_atrium_right", "heart_atrium_left", False),
        ("bright_spot", "bleft_spot", False),
    ],
)
def test_pairs_are_known_by_their_names(right: str, left: str, judged: bool) -> None:
    names = {0: "background", 3: right, 4: left}
    pair: Any = make_pair(organs={3: ORGANS[4], 4: ORGANS[3]})
    assert ("left and right" in rules(pair, names)) == judged
