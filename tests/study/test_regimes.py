"""Which sites train which model."""

from __future__ import annotations

import pytest

from fedgin.study.regimes import REGIMES, training_groups

FOUR = {"ct-a": "CT", "ct-b": "CT", "mr-a": "MR", "mr-b": "MR"}


@pytest.mark.parametrize(
    ("regime", "expected"),
    [
        ("local", [("ct-a",), ("ct-b",), ("mr-a",), ("mr-b",)]),
        ("fine-tuned", [("ct-a",), ("ct-b",), ("mr-a",), ("mr-b",)]),
        ("centralized", [("ct-a", "ct-b", "mr-a", "mr-b")]),
        ("federated", [("ct-a", "ct-b", "mr-a", "mr-b")]),
        ("leave-one-modality-out", [("mr-a", "mr-b"), ("ct-a", "ct-b")]),
        (
            "leave-one-site-out",
            [
                ("ct-b", "mr-a", "mr-b"),
                ("ct-a", "mr-a", "mr-b"),
                ("ct-a", "ct-b", "mr-b"),
                ("ct-a", "ct-b", "mr-a"),
            ],
        ),
    ],
)
def test_four_sites(regime: str, expected: list[tuple[str, ...]]) -> None:
    assert training_groups(regime, FOUR) == expected


def test_every_regime_is_covered() -> None:
    assert all(training_groups(regime, FOUR) for regime in REGIMES)


def test_one_modality_cannot_be_left_out_of_one() -> None:
    assert training_groups("leave-one-modality-out", {"a": "CT", "b": "CT"}) == []


def test_one_site_cannot_be_left_out_of_one() -> None:
    assert training_groups("leave-one-site-out", {"a": "CT"}) == []
