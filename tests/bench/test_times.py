"""Timing in turns: medians and spreads of what was really waited for."""

from __future__ import annotations

import time

import pytest

from fedgin.bench.figures import Figure, Mark, speed_up, text_of
from fedgin.bench.times import Times, take_turns


def test_each_way_is_timed_once_per_turn_and_warming_up_does_not_count() -> None:
    calls: list[str] = []
    ways = {name: (lambda name=name: calls.append(name)) for name in ("ours", "other")}
    times = take_turns(ways, repeats=3, warm_up=2)
    assert calls == ["ours", "other"] * 5
    assert [len(one.seconds) for one in times.values()] == [3, 3]


def test_a_wait_is_measured() -> None:
    ways = {"short": lambda: time.sleep(0.01), "long": lambda: time.sleep(0.05)}
    times = take_turns(ways, repeats=3)
    assert times["short"].median == pytest.approx(0.01, abs=0.008)
    assert times["long"].median >= 0.05


def test_median_and_spread_are_those_of_the_middle_half() -> None:
    times = Times((4.0, 1.0, 3.0, 2.0, 5.0))
    assert times.median == 3.0
    assert times.spread == pytest.approx((4.0 - 2.0) / 3.0)


def test_a_figure_tells_whether_its_mark_is_reached_and_its_times_hold() -> None:
    steady, wild = Times((1.0, 1.0, 1.0)), Times((1.0, 3.0, 5.0))
    figure = speed_up("g", "n", ours=steady, theirs=wild, against="other", at_least=2.5)
    assert figure.value == 3.0
    assert figure.reached is True
    assert not figure.steady
    assert figure.against == "other: 3.00 s"
    dear = Figure(
        group="g", name="n", ours="", value=1.5, unit="%", mark=Mark(rule="at most", value=1.0)
    )
    assert dear.reached is False
    assert dear.steady
    assert Figure(group="g", name="n", ours="", value=1.5, unit="%").reached is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(2e-5, "20 us"), (0.0123, "12.3 ms"), (1.5, "1.50 s"), (75, "75.00 s")]
)
def test_times_are_written_in_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert text_of(seconds) == text
