"""What is cut out of one unit depends on that unit alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedgin.data.prepare import PreparedCase
from fedgin.data.units import ProtectedUnits

SHAPE = (6, 24, 24)


def make_case(name: str, patient: str, *, site: str = "site-1", value: float = 0.0) -> PreparedCase:
    """A case whose slices hold value + z, with one structure at its middle slices."""
    image = np.zeros(SHAPE, dtype=np.float16) + np.arange(SHAPE[0])[:, None, None] + value
    label = np.zeros(SHAPE, dtype=np.uint8)
    label[2:4, 5:8, 6:9] = 1
    places = np.argwhere(label)
    return PreparedCase(
        name=name,
        patient=patient,
        site=site,
        modality="CT",
        image=image.astype(np.float16),
        label=label,
        foreground=np.column_stack([np.ones(len(places)), places]).astype(np.int32),
        spacing=(1.0, 1.0, 1.0),
    )


def units(cases: list[PreparedCase], unit: str, *, foreground: float = 0.5) -> ProtectedUnits:
    return ProtectedUnits(
        cases,
        unit=unit,  # type: ignore[arg-type]
        patch_size=(16, 16),
        foreground_fraction=foreground,
    )


def drawn(found: ProtectedUnits, index: int, *, count: int = 20) -> torch.Tensor:
    sampler = found.sampler(index)
    return sampler.cut(sampler.draw(count, generator=np.random.default_rng(0)))[0]


def test_a_patient_is_all_cases_of_that_name_at_one_site() -> None:
    cases = [
        make_case("a", "p1", value=0),
        make_case("b", "p2", value=100),
        make_case("c", "p1", value=200),
        make_case("d", "p1", site="site-2", value=300),
    ]
    found = units(cases, "patient")
    assert len(found) == 3
    hundreds = [{int(v) // 100 for v in drawn(found, i).unique()} for i in range(3)]
    assert hundreds == [{0, 2}, {1}, {3}]


def test_a_slice_is_one_slice_and_each_is_there_once() -> None:
    found = units([make_case("a", "p1"), make_case("b", "p2", value=100)], "slice")
    values = [drawn(found, index).unique().tolist() for index in range(len(found))]
    assert values == [[float(z)] for z in (*range(6), *range(100, 106))]


@pytest.mark.parametrize("unit", ["slice", "patient"])
def test_other_units_do_not_change_what_a_unit_gives(unit: str) -> None:
    first = make_case("a", "p1")
    alone = units([first], unit)
    others = units([first, make_case("b", "p2", value=7)], unit)
    for index in range(len(alone)):
        assert torch.equal(drawn(alone, index), drawn(others, index))


def test_a_slice_forgets_the_places_that_its_case_lists() -> None:
    """That list is a random choice among all slices: it would carry a slice into another."""
    case = make_case("a", "p1")
    thinned = replace(case, foreground=case.foreground[:1])
    for z in range(SHAPE[0]):
        assert torch.equal(
            drawn(units([case], "slice", foreground=1.0), z),
            drawn(units([thinned], "slice", foreground=1.0), z),
        )


def test_patches_are_centred_on_the_slices_own_structure() -> None:
    found = units([make_case("a", "p1")], "slice", foreground=1.0)
    for z, shown in ((1, False), (2, True), (3, True), (4, False)):
        sampler = found.sampler(z)
        labels = sampler.cut(sampler.draw(20, generator=np.random.default_rng(1)))[1]
        assert [bool(label.any()) for label in labels] == [shown] * 20 or not shown
        assert shown == bool(labels.any())


def test_no_case_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one case"):
        units([], "patient")
