"""The package's own phantoms break no rule."""

from __future__ import annotations

import pytest
from judged import case_of, found

from fedgin.check.look import Terms, look_at
from fedgin.data.phantom import PHANTOM_LABELS
from fedgin.data.sources import PhantomScan


def assert_sound(task: str, modality: str, protocol: str, count: int) -> None:
    names = {0: "background", **{value: name for name, value in PHANTOM_LABELS[task].items()}}
    cases = []
    for index in range(count):
        scan = PhantomScan(f"{index}", task, modality, protocol, seed=1, index=index)
        look = look_at(scan, Terms(modality=modality, names=names))
        assert look.faults == ()
        assert look.facts is not None
        cases.append(case_of(look.facts, name=scan.name, patient=scan.patient, names=names))
    assert found(*cases, names=names) == []


@pytest.mark.parametrize(
    ("task", "modality", "protocol"), [("heart", "MR", "bssfp"), ("abdomen", "CT", "native")]
)
def test_one_phantom_of_each_task_is_sound(task: str, modality: str, protocol: str) -> None:
    assert_sound(task, modality, protocol, 1)


@pytest.mark.slow
@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("task", ["heart", "abdomen"])
def test_a_set_of_phantoms_is_sound(task: str, modality: str) -> None:
    assert_sound(task, modality, {"CT": "portal-venous", "MR": "t1"}[modality], 6)
