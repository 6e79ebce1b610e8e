"""How far a plan is off, and what a site sees before it joins."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fedgin.cli import build_app
from fedgin.errors import ConfigError
from fedgin.fingerprint.deviation import deviations
from fedgin.fingerprint.plan import Plan, read_plan
from fedgin.sites.lookup import Site

EXACT = Plan.model_validate(
    {
        "task": "heart",
        "spatial_dims": 2,
        "spacing": [1.0, 1.0, None],
        "patch_size": [128, 128],
        "channels": [16, 32, 64],
        "batch_size": 8,
        "ct_window": [-100.0, 300.0],
        "mr_percentile": 99.5,
        "memory": "cuda-8",
        "cases": {"CT": 30, "MR": 20},
        "volumes_ml": {"CT": {"heart": 700.0}, "MR": {"heart": 600.0}},
        "fingerprint": "ab" * 32,
    }
)


def table(exact: Plan, released: Plan | None) -> dict[str, str]:
    return {row.key: row.difference for row in deviations(exact, released)}


def test_every_value_is_compared_in_numbers() -> None:
    other = EXACT.model_copy(
        update={
            "spacing": (1.1, 1.1, None),
            "ct_window": (-92.0, 300.0),
            "mr_percentile": None,
            "channels": (16, 32, 64, 128),
            "cases": {"CT": 31},
            "volumes_ml": {"CT": {"heart": 650.0}},
        }
    )
    found = table(EXACT, other)
    assert found["spacing"] == "+0.1, +0.1, 0"
    assert found["ct_window"] == "+8, +0"
    assert found["mr_percentile"] == "only one has it"
    assert found["channels"] == "of another form"
    assert found["patch_size"] == found["batch_size"] == "none"
    assert found["cases CT"] == "+1"
    assert found["cases MR"] == "only one has it"
    assert found["median ml of heart in CT"] == "-50"
    assert set(table(EXACT, EXACT).values()) == {"none"}
    assert set(table(EXACT, None).values()) == {"only one has it"}


def call(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(), ["fingerprint", *arguments], catch_exceptions=False)


@pytest.fixture
def sites(load: Callable[[str], Site], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.usefixtures("sites")
def test_without_limits_nothing_deviates_and_the_plan_is_written(tmp_path: Path) -> None:
    result = call("--sites", "site-2,site-1", "--json", "--out", str(tmp_path / "out"))
    assert result.exit_code == 0
    told = json.loads(result.output)
    plan = read_plan(tmp_path / "out" / "plan.json")
    assert plan.cases == {"CT": 2, "MR": 2}
    assert told["plan_sha256"] == plan.sha256()
    assert {row["difference"] for row in told["deviations"]} == {"none"}
    assert set(told["leaves"]) == {"site-1", "site-2"}
    assert (tmp_path / "out" / "fingerprint.json").is_file()


@pytest.mark.usefixtures("sites")
def test_an_earlier_fingerprint_is_replaced_only_when_asked(tmp_path: Path) -> None:
    out, plan = tmp_path / "out", tmp_path / "out" / "plan.json"
    asked = ("--sites", "site-1", "--out", str(out))
    assert call(*asked).exit_code == 0
    before = plan.read_bytes()
    with pytest.raises(ConfigError, match=r"fingerprint\.json, plan\.json in .*--force"):
        call(*asked, "--dims", "3")
    assert plan.read_bytes() == before
    assert call(*asked, "--dims", "3", "--force").exit_code == 0
    assert plan.read_bytes() != before
    # A plan that does not belong to the fingerprint beside it must not stay.
    assert call(*asked, "--smallest-count", "5", "--force").exit_code == 1
    assert not plan.exists()


@pytest.mark.usefixtures("sites")
def test_a_site_sees_what_would_leave_quantity_by_quantity() -> None:
    result = call("--sites", "site-1")
    assert "What would leave site-1" in result.output
    assert "heart, 2D: complete" in result.output
    rows = {
        cells[1]: cells
        for line in result.output.splitlines()
        if len(cells := [cell.strip() for cell in line.strip("│").split("│")]) == 6
    }
    assert rows["intensity"][3] == "2000"
    assert rows["spacing_z"][3] == "2"
    assert rows["spacing_z"][5].endswith(" mm")


@pytest.mark.usefixtures("sites")
def test_a_limit_that_no_site_reaches_leaves_nothing_and_says_so() -> None:
    result = call("--sites", "site-1", "--smallest-count", "5")
    assert result.exit_code == 1
    assert "What would leave" not in result.output
    assert "site-1: too few patients, nothing sent" in result.output
    assert "no plan: no case was counted" in result.output
    assert "only one has it" in result.output


@pytest.mark.usefixtures("sites")
def test_noise_shows_in_what_leaves() -> None:
    told = json.loads(call("--sites", "site-1", "--noise", "500", "--json").output)
    assert told["leaves"]["site-1"]["epsilon"] == 500
    votes = told["leaves"]["site-1"]["modalities"]["CT"]["histograms"]["intensity"]
    assert sum(votes) != 2000
