"""The phantom's interface: determinism, refusals and honest affines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedgin.data.phantom import PHANTOM_LABELS, PHANTOM_VERSION, PROTOCOLS, phantom_case
from fedgin.data.phantom.abdomen import draw_abdomen
from fedgin.data.phantom.chest import draw_thorax
from fedgin.data.phantom.grid import GridDraw, canonical_grid, draw_grid, to_storage
from fedgin.errors import ConfigError

ARGUMENTS: dict[str, Any] = {
    "task": "heart",
    "modality": "CT",
    "protocol": "native",
    "seed": 1,
    "index": 2,
}


def test_same_arguments_same_case_in_any_order() -> None:
    first = phantom_case(**ARGUMENTS)
    phantom_case(**{**ARGUMENTS, "index": 3})
    again = phantom_case(**ARGUMENTS)
    assert np.array_equal(first.image.array, again.image.array)
    assert np.array_equal(first.label.array, again.label.array)
    assert np.array_equal(first.image.affine, again.image.affine)
    other = phantom_case(**{**ARGUMENTS, "seed": 2})
    assert first.image.array.shape != other.image.array.shape or not np.array_equal(
        first.image.array, other.image.array
    )


def test_types_and_versions() -> None:
    case = phantom_case(**{**ARGUMENTS, "modality": "MR", "protocol": "bssfp"})
    assert case.image.array.dtype == np.float32
    assert case.label.array.dtype == np.uint8
    assert case.image.array.shape == case.label.array.shape
    assert np.array_equal(case.image.affine, case.label.affine)
    assert np.isfinite(case.image.array).all()
    assert isinstance(PHANTOM_VERSION, int)
    assert set(PROTOCOLS) == {"CT", "MR"}
    assert set(PHANTOM_LABELS) == {"heart", "abdomen"}


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("task", "brain", "abdomen"),
        ("modality", "PET", "MR"),
        ("protocol", "bssfp", "portal-venous"),
        ("seed", -1, "0 or more"),
        ("index", -4, "0 or more"),
    ],
)
def test_refusals_name_what_is_allowed(key: str, value: object, named: str) -> None:
    with pytest.raises(ConfigError, match=named) as refusal:
        phantom_case(**{**ARGUMENTS, key: value})
    assert repr(value) in str(refusal.value) or str(value) in str(refusal.value)


def test_draws_are_comparable_records() -> None:
    for draw in (draw_thorax, draw_abdomen):
        one, two = draw(np.random.default_rng(5)), draw(np.random.default_rng(5))
        assert one == two
        assert one != draw(np.random.default_rng(6))


def test_storage_order_keeps_every_voxel_at_its_place() -> None:
    layout = GridDraw(
        spacing=(2.0, 3.0, 5.0),
        shape=(4, 5, 6),
        centre=(1.0, -2.0, 3.0),
        angles=(4.0, -3.0, 5.0),
        order=(0, 1, 2),
        flips=(False, False, False),
    )
    grid = canonical_grid(layout)
    values = np.arange(120).reshape(4, 5, 6)
    for order in ((0, 1, 2), (1, 0, 2), (2, 1, 0), (1, 2, 0)):
        for flips in ((False, True, False), (True, True, True)):
            changed = replace(layout, order=order, flips=flips)
            stored, affine = to_storage(values, grid.affine, changed)
            for index in np.ndindex(stored.shape):
                place = affine[:3, :3] @ index + affine[:3, 3]
                back = np.linalg.inv(grid.affine) @ np.append(place, 1)
                nearest = np.rint(back[:3]).astype(int)
                assert np.allclose(back[:3], nearest, atol=1e-9)
                assert stored[index] == values[tuple(nearest)]


def test_middle_of_the_volume_is_the_centre_drawn() -> None:
    layout = draw_grid(np.random.default_rng(0), task="heart", modality="MR")
    grid = canonical_grid(layout)
    middle = grid.affine[:3, :3] @ ((np.asarray(grid.shape) - 1) / 2) + grid.affine[:3, 3]
    assert np.allclose(middle, layout.centre)
    assert np.allclose(grid.spacing, layout.spacing)
    assert np.linalg.det(grid.affine[:3, :3]) > 0


def test_storage_varies_between_cases_and_mr_is_oblique() -> None:
    layouts = [draw_grid(np.random.default_rng(k), task="heart", modality="MR") for k in range(20)]
    assert len({layout.order for layout in layouts}) >= 2
    assert len({layout.flips for layout in layouts}) >= 4
    assert any(abs(angle) > 2 for layout in layouts for angle in layout.angles)
    straight = draw_grid(np.random.default_rng(0), task="heart", modality="CT")
    assert straight.angles == (0.0, 0.0, 0.0)
