"""Each rule finds what breaks it, and leaves what only comes near."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from judged import NAMES, checked, found, told
from made_sets import ORGANS, make_pair, stored_as, upright_affine

from fedgin.data.adult_organs import adult_range
from fedgin.data.volume import LabelledVolume, Volume


def several(count: int, **changes: Any) -> list[Any]:
    return [checked(make_pair(seed=n, **changes), name=f"c{n}") for n in range(count)]


def with_organs(**boxes: Any) -> Mapping[int, Any]:
    values = {name: value for value, name in NAMES.items()}
    return {**ORGANS, **{values[name]: box for name, box in boxes.items()}}


def test_a_sound_set_has_no_finding() -> None:
    assert told(*several(6)) == []


@pytest.mark.parametrize(
    ("size", "tiny"), [((2, 2, 2), True), ((3, 3, 1), True), ((5, 2, 1), False)]
)
def test_a_structure_of_few_voxels_is_tiny(size: tuple[int, int, int], tiny: bool) -> None:
    box = tuple((start, start + length) for start, length in zip((18, 20, 15), size, strict=True))
    case = checked(make_pair(organs=with_organs(gallbladder=box)))
    assert told(case) == ([("warning", "tiny", ("a",))] if tiny else [])


def test_a_structure_of_many_small_voxels_is_tiny_in_ml() -> None:
    # 4 x 4 x 5 voxels of 1 mm. All others shrink too: their volumes are told.
    organs = with_organs(gallbladder=((18, 22), (20, 24), (15, 20)))
    case = checked(make_pair(spacing=(1.0, 1.0, 1.0), organs=organs))
    (finding,) = [one for one in found(case) if one.rule == "tiny"]
    assert finding.text == "gallbladder has 80 voxels, 0.08 ml"


def test_a_structure_that_the_field_of_view_cuts_may_be_small() -> None:
    spleen = ((0, 3), (6, 9), (13, 14))
    assert told(checked(make_pair(organs=with_organs(spleen=spleen)))) == []


@pytest.mark.parametrize(
    ("box", "words"),
    [
        (((14, 16), (12, 16), (10, 14)), "pancreas has 20.5 ml; adults have 28.6 to 400 ml"),
        (((10, 23), (10, 26), (12, 22)), "pancreas has 1331 ml; adults have 28.6 to 400 ml"),
    ],
)
def test_a_volume_that_no_adult_has_is_told(box: Any, words: str) -> None:
    (finding,) = found(checked(make_pair(organs=with_organs(pancreas=box))))
    assert (finding.level, finding.rule) == ("warning", "volume")
    assert finding.text == words


def test_ranges_are_those_of_the_reference_adults() -> None:
    # ICRP 89: liver of 1400 g and 1800 g, at 1.05 g/ml, a quarter of one and three times the other.
    assert adult_range("liver") == pytest.approx((333.3, 5142.9), abs=0.1)
    assert adult_range("gallbladder") == pytest.approx((2.0, 194.3), abs=0.1)
    assert adult_range("kidney_left") == adult_range("kidney")
    assert adult_range("spaceship") is None


def test_a_heart_in_parts_is_judged_as_a_whole() -> None:
    names = {0: "background", 1: "left_ventricle", 2: "right_ventricle", 3: "left_atrium"}
    names |= {4: "right_atrium", 5: "myocardium"}
    small = {value: ((5 * value, 5 * value + 4), (5, 9), (5, 7)) for value in range(1, 6)}
    (finding,) = found(checked(make_pair(organs=small), names=names), names=names)
    # 5 parts of 4 x 4 x 2 voxels of 0.64 ml.
    assert finding.text == "heart has 102 ml; adults have 148 to 2400 ml"


def test_an_empty_label_map_is_told() -> None:
    empty = make_pair(seed=9, organs={})
    assert told(checked(empty), *several(2)) == [("warning", "empty", ("a",))]


def test_a_structure_that_never_occurs_is_told_once() -> None:
    names = {**NAMES, 7: "aorta", 8: "other"}
    assert told(*several(3), names=names) == [("warning", "never", ())]
    assert found(*several(3), names=names)[0].text == "aorta never occurs in any of 3 cases"


@pytest.mark.parametrize("factor", [0.5, 1.4, 1.6])
def test_a_spacing_far_from_the_median_is_told(factor: float) -> None:
    x, y, z = 8.0, 8.0, 10.0
    odd = make_pair(seed=9, spacing=(x, y, z * factor))
    findings = [
        one for one in found(*several(6), checked(odd, name="odd")) if one.rule == "spacing"
    ]
    if factor == 1.4:
        assert findings == []
    else:
        (finding,) = findings
        assert finding.cases == ("odd",)
        assert finding.text == f"{z * factor:.3g} mm feet-head; the set's median is 10 mm"


def test_spacing_goes_by_the_patients_axes() -> None:
    turned = make_pair(seed=9)
    turned = LabelledVolume(stored_as(turned.image, "SRA"), stored_as(turned.label, "SRA"))
    assert told(*several(6), checked(turned, name="turned")) == []


def test_a_set_of_two_kinds_has_no_outlier() -> None:
    thin, thick = (
        (make_pair(seed=n, spacing=(8, 8, 10)) for n in range(4)),
        (make_pair(seed=4 + n, spacing=(8, 8, 22)) for n in range(4)),
    )
    cases = [checked(pair, name=str(n)) for n, pair in enumerate([*thin, *thick])]
    assert "spacing" not in {rule for _, rule, _ in told(*cases)}


def test_an_oblique_case_and_a_lost_header_are_told() -> None:
    pair = make_pair()
    turn = np.radians(30)
    affine = upright_affine()
    rotation = [[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]]
    affine[:3, :3] = np.array(rotation) @ affine[:3, :3]
    oblique = LabelledVolume(Volume(pair.image.array, affine), Volume(pair.label.array, affine))
    (finding,) = found(checked(oblique))
    assert (finding.level, finding.rule) == ("warning", "orientation")
    assert "30 degrees" in finding.text
    bare = LabelledVolume(Volume(pair.image.array, np.eye(4)), Volume(pair.label.array, np.eye(4)))
    assert "orientation" in {rule for _, rule, _ in told(checked(bare))}


@pytest.mark.parametrize("file", ["image", "label"])
def test_two_transforms_that_do_not_agree_are_told(file: str) -> None:
    pair = make_pair()
    doubted = replace(getattr(pair, file), doubt="sform and qform place the volume apart")
    (finding,) = found(checked(replace(pair, **{file: doubted})))
    assert (finding.level, finding.rule) == ("warning", "orientation")
    assert finding.text == "sform and qform place the volume apart"


def test_an_image_under_two_patients_is_an_error_in_any_orientation() -> None:
    pair = make_pair(seed=3)
    turned = LabelledVolume(stored_as(pair.image, "LPS"), stored_as(pair.label, "LPS"))
    cases = [checked(pair, name="a", split="train"), checked(turned, name="b", split="test")]
    (finding,) = found(*cases, *several(2))
    assert (finding.level, finding.rule) == ("error", "one patient, two ids")
    assert finding.cases == ("a", "b")
    assert "in the splits test and train" in finding.text


def test_an_image_twice_under_one_patient_is_a_warning() -> None:
    pair = make_pair(seed=3)
    cases = [checked(pair, name=name, patient="p") for name in "ab"]
    assert told(*cases) == [("warning", "same image", ("a", "b"))]


def test_one_patient_in_two_splits_is_an_error() -> None:
    cases = [
        checked(make_pair(seed=n), name=str(n), patient="p", split=split)
        for n, split in enumerate(("train", "test"))
    ]
    assert told(*cases) == [("error", "splits", ("0", "1"))]


def test_one_label_map_beside_two_patients_images_is_an_error() -> None:
    one, other = make_pair(seed=1), make_pair(seed=2)
    borrowed = replace(other, label=one.label)
    cases = [checked(one, name="a"), checked(borrowed, name="b")]
    assert told(*cases) == [("error", "same label map", ("a", "b"))]
    # Registered sequences of one patient share a label map rightly.
    assert told(*(replace(case, patient="p") for case in cases)) == []
