"""Volumes in ml and what is plausible."""

from __future__ import annotations

import numpy as np
import pytest
from scans import turned

from fedgin.data.adult_organs import adult_range
from fedgin.predict.flags import Flag, Organ, flags_of, judge_organ
from fedgin.predict.modality import Recognition
from fedgin.predict.uncertainty import NOTHING, Doubt
from fedgin.predict.volumes import OrganSize, measure
from fedgin.tasks import TASKS

CT = Recognition("CT", "")


def test_a_volume_is_voxels_times_their_size_whatever_the_orientation() -> None:
    label = np.zeros((10, 11, 12), np.uint8, order="F")
    label[2:5, 3:7, 4:9] = 1
    label[0, 0, 0] = 3
    affine = turned((0.3, 0.2, 0.1), (1.5, 2.0, 2.5))
    affine[:3, 0] *= -1
    one, two, three = measure(label, affine, n_classes=4)
    assert (one.voxels, one.at_border) == (60, False)
    assert one.millilitres == pytest.approx(60 * 7.5 / 1000)
    assert (two.voxels, two.millilitres, two.at_border) == (0, 0.0, False)
    assert (three.voxels, three.at_border) == (1, True)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("end", [0, -1])
def test_every_face_of_the_volume_cuts_off(axis: int, end: int) -> None:
    label = np.zeros((5, 6, 7), np.uint8)
    label.swapaxes(0, axis)[end, 2, 2] = 1
    assert measure(label, np.eye(4), n_classes=2)[0].at_border


def test_every_structure_of_every_task_has_a_range() -> None:
    for task in TASKS.values():
        for name in task.class_names:
            plausible = adult_range(name)
            assert plausible is not None
            assert 0 < plausible[0] < plausible[1]
    assert adult_range("fourth_lung") is None


@pytest.mark.parametrize(
    ("name", "millilitres"),
    # Means of adults: see fedgin.data.phantom.organ_draw for the sources.
    [("liver", 1500), ("spleen", 215), ("kidney_left", 150), ("pancreas", 70), ("gallbladder", 30)],
)
def test_ordinary_organs_are_plausible(name: str, millilitres: float) -> None:
    assert judge_organ(name, OrganSize(9, millilitres, False), NOTHING).status == "ok"


@pytest.mark.parametrize(
    ("millilitres", "border", "agreement", "status"),
    [
        (0.0, False, None, "empty"),
        (100.0, False, 1.0, "implausible_small"),
        (100.0, True, 1.0, "cut_off"),
        (9000.0, True, 1.0, "implausible_large"),
        (1500.0, False, 1.0, "ok"),
        (1500.0, False, 0.5, "uncertain"),
        (1500.0, True, 0.5, "uncertain"),
        (1500.0, True, 1.0, "cut_off"),
    ],
)
def test_the_gravest_status_is_given(
    millilitres: float, border: bool, agreement: float | None, status: str
) -> None:
    size = OrganSize(int(millilitres), millilitres, border)
    assert judge_organ("liver", size, Doubt(agreement=agreement)).status == status


def test_the_only_structure_is_judged_as_the_case_is() -> None:
    size, doubt = OrganSize(9, 1500.0, False), Doubt(agreement=0.8)
    assert judge_organ("liver", size, doubt).status == "ok"
    assert judge_organ("liver", size, doubt, alone=True).status == "uncertain"


def judged(name: str, ml: float, *, border: bool = False, doubt: Doubt = NOTHING) -> Organ:
    return judge_organ(name, OrganSize(int(ml), ml, border), doubt)


def flags(organs: list[Organ], **options: object) -> tuple[Flag, ...]:
    arguments = {
        "modality": "CT",
        "source": "recognised",
        "recognition": CT,
        "trained_on": ("CT",),
        "overall": NOTHING,
        **options,
    }
    return flags_of(organs=organs, **arguments)  # type: ignore[arg-type]


def codes(organs: list[tuple[str, float]], **options: object) -> list[str]:
    return [flag.code for flag in flags([judged(*organ) for organ in organs], **options)]


def test_flags_name_what_is_wrong_and_nothing_else() -> None:
    sound = [("liver", 1500.0), ("spleen", 200.0)]
    assert codes(sound) == []
    assert codes([("liver", 1500.0), ("spleen", 0.0)]) == ["structure_missing"]
    assert codes([("liver", 0.0), ("spleen", 0.0)]) == ["empty_prediction"]
    assert codes([("liver", 100.0), ("spleen", 9000.0)]) == ["implausible_volume"]
    assert codes(sound, overall=Doubt(agreement=0.3)) == ["high_uncertainty"]


def test_one_doubtful_structure_is_named_however_sure_the_rest_is() -> None:
    """The mean over a scan is that of its liver: a kidney is a tenth of it."""
    sure, worthless = Doubt(agreement=0.98), Doubt(agreement=0.0008)
    liver = judged("liver", 1500.0, doubt=sure)
    (flag,) = flags([liver, judged("kidney_left", 150.0, doubt=worthless)], overall=sure)
    assert flag.label == "high_uncertainty: kidney_left"
    assert flag.text == (
        "kidney_left 0.00: agreement with the same scan some voxels aside, should be at least 0.75"
    )
    # A graver status does not hide it.
    small = judged("kidney_left", 5.0, doubt=worthless)
    assert small.status == "implausible_small"
    assert [flag.label for flag in flags([liver, small], overall=sure)] == [
        "implausible_volume: kidney_left",
        "high_uncertainty: kidney_left",
    ]


@pytest.mark.parametrize("doubt", [Doubt(dissent=0.5), Doubt(entropy=0.9)])
def test_so_is_one_where_agreement_was_not_measured(doubt: Doubt) -> None:
    organs = [judged("liver", 1500.0), judged("spleen", 200.0, doubt=doubt)]
    assert [flag.label for flag in flags(organs)] == ["high_uncertainty: spleen"]


def test_the_only_structure_is_warned_of_once() -> None:
    doubt = Doubt(agreement=0.1)
    organ = judge_organ("liver", OrganSize(9, 1500.0, False), doubt, alone=True)
    assert [flag.label for flag in flags([organ], overall=doubt)] == ["high_uncertainty"]


def test_structures_that_the_scan_cuts_off_are_named() -> None:
    """Their volume is that of a part; also where the status says something graver."""
    organs = [
        judged("liver", 9000.0, border=True),
        judged("spleen", 200.0, border=True),
        judged("pancreas", 70.0),
    ]
    assert [organ.status for organ in organs] == ["implausible_large", "cut_off", "ok"]
    assert [flag.label for flag in flags(organs)] == [
        "implausible_volume: liver",
        "cut_off: liver, spleen",
    ]


def test_a_modality_that_the_card_does_not_list_is_a_warning() -> None:
    sound = [("liver", 1500.0)]
    assert codes(sound, trained_on=("MR",)) == ["modality_not_in_card"]
    assert codes(sound, trained_on=()) == []  # a card may not know
    mr = Recognition("MR", "no negative values")
    assert codes(sound, source="given", recognition=mr) == ["intensities_unlike_modality"]
