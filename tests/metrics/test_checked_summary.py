"""A server checks the summaries that sites send."""

from __future__ import annotations

from typing import Any

import pytest

from fedgin.metrics.summary import EDGES, checked_summary, summarise

GOOD = summarise([0.25, 0.75], edges=EDGES["dice"])


def test_what_summarise_makes_passes() -> None:
    for values in ([], [0.5], [0.1, 0.9, 1.0]):
        for metric in ("dice", "nsd", "hd95"):
            summary = summarise(values, edges=EDGES[metric])
            assert checked_summary(summary, metric=metric) == summary


@pytest.mark.parametrize(
    "change",
    [
        {"count": -1},
        {"count": 2.0},
        {"count": True},
        {"count": 3},
        {"mean": 1.5},
        {"mean": float("nan")},
        {"mean": "0.5"},
        {"sd": -0.1},
        {"histogram": [1, 1]},
        {"histogram": [3, -1, 0, 0, 0, 0, 0, 0, 0, 0]},
        {"values": [0.25, 0.75]},
    ],
)
def test_anything_else_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        checked_summary({**GOOD, **change}, metric="dice")


def test_unknown_metric_and_missing_key_are_refused() -> None:
    with pytest.raises(ValueError, match="volume"):
        checked_summary(GOOD, metric="volume")
    with pytest.raises(ValueError, match="nothing else"):
        checked_summary({"count": 0}, metric="dice")
