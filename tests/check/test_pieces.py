"""An organ that is one piece in everybody is told where a label map has it in several."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from judged import NAMES, checked, found, told
from made_sets import ORGANS, make_pair, stored_as

from fedgin.data.volume import LabelledVolume

LIVER = 1


def changed(change: np.ndarray, *, value: int) -> LabelledVolume:
    pair = make_pair()
    array = pair.label.array.copy()
    array[change] = value
    return LabelledVolume(image=pair.image, label=replace(pair.label, array=array))


def without_every_second_slice() -> LabelledVolume:
    label = make_pair().label.array
    odd = np.zeros(label.shape, dtype=bool)
    odd[:, :, 11::2] = True
    return changed((label == LIVER) & odd, value=0)


def test_contours_on_every_second_slice_are_told() -> None:
    # The liver fills slices 10 to 21: 11, 13, ... 19 are lost between others, and 21 at its end.
    (finding,) = found(checked(without_every_second_slice()))
    assert (finding.level, finding.rule, finding.cases) == ("warning", "pieces", ("a",))
    assert finding.text == (
        "liver lies in 6 pieces between feet and head: 5 planes between its first and its last "
        "hold none of it"
    )


@pytest.mark.parametrize("orientation", ["LPS", "PIR", "SRA"])
def test_however_the_voxels_are_stored(orientation: str) -> None:
    pair = without_every_second_slice()
    image, label = (stored_as(one, orientation) for one in (pair.image, pair.label))
    (finding,) = found(checked(LabelledVolume(image=image, label=label)))
    assert "6 pieces between feet and head: 5 planes" in finding.text


def test_a_voxel_far_from_its_organ_is_told() -> None:
    speck = np.zeros(make_pair().label.array.shape, dtype=bool)
    speck[1, 28, 1] = True
    (finding,) = found(checked(changed(speck, value=LIVER)))
    assert (finding.rule, finding.level) == ("pieces", "warning")
    # From x = 1 to the liver's first voxel at 24; the axis with the most empty planes is named.
    assert "2 pieces between left and right: 22 planes" in finding.text


@pytest.mark.parametrize(("lost", "told_of"), [((12,), False), ((12, 13), True), ((12, 15), True)])
def test_one_plane_may_be_lost_and_two_may_not(lost: tuple[int, ...], told_of: bool) -> None:
    slices = np.zeros(make_pair().label.array.shape, dtype=bool)
    slices[:, :, list(lost)] = True
    case = checked(changed(slices & (make_pair().label.array == LIVER), value=0))
    assert [finding.rule for finding in found(case)] == ["pieces"] * told_of


def test_what_comes_in_twos_may_lie_apart() -> None:
    label = make_pair().label.array
    names = {**NAMES, 3: "kidneys", 4: "background"}
    both = changed(label == 4, value=3)
    assert told(checked(both, names=names), names=names) == []


def test_values_that_make_up_one_organ_are_one_piece() -> None:
    # The upper half of the spleen has a value of its own: neither half has a gap, nor have both.
    label = make_pair().label.array
    upper = label == 2
    upper[:, :, : sum(ORGANS[2][2]) // 2] = False
    names = {**NAMES, 7: "spleen"}
    assert told(checked(changed(upper, value=7), names=names), names=names) == []
