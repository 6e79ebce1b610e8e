"""Curves: their slope is the power of growth, and a picture shows each of them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from fedgin.bench.figures import Curve
from fedgin.bench.picture import PANEL, draw_curves
from fedgin.cli import build_app
from fedgin.errors import ConfigError
from fedgin.report.study.figures.style import DPI


def curve(power: float, *, cost: str = "seconds", name: str = "a") -> Curve:
    points = tuple((n, 0.3 * n**power) for n in (2.0, 4.0, 8.0, 16.0))
    return Curve.model_validate({"name": name, "work": "sites", "cost": cost, "points": points})


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_slope_is_the_power_with_which_the_cost_grows(power: float) -> None:
    assert curve(power).slope == pytest.approx(power, abs=1e-9)


def test_a_picture_has_a_panel_for_each_kind_of_cost_and_shows_each_curve() -> None:
    one = draw_curves([curve(1)])
    both = draw_curves([curve(1), curve(0, cost="MiB")])
    widths = [Image.open(io.BytesIO(content)).width for content in (one, both)]
    assert widths == [PANEL[0] * DPI, 2 * PANEL[0] * DPI]
    assert one == draw_curves([curve(1)])
    assert one != draw_curves([curve(1), curve(2, name="b")])


def test_a_picture_without_curves_and_a_file_of_another_kind_are_refused(tmp_path: Path) -> None:
    def call(*arguments: str) -> None:
        CliRunner().invoke(build_app(), ["bench", *arguments], catch_exceptions=False)

    file = tmp_path / "growth.png"
    with pytest.raises(ConfigError, match="--only gin"):
        call("--only", "gin", "--picture", str(file))
    file.write_text("notes")
    with pytest.raises(ConfigError, match="not overwritten"):
        call("--only", "growth", "--picture", str(file))
    assert file.read_text() == "notes"
