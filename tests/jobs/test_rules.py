"""The server's rules in a job: which are refused at export, alone and together."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from fedgin.errors import ConfigError
from fedgin.flare.aggregator import OrderedWeightedAggregator
from fedgin.jobs.export import export_job

SERVER = Path("app/config/config_fed_server.json")


@pytest.fixture(params=["fed_gin_heart", "fed_gin_abdomen"])
def job(request: pytest.FixtureRequest, repository: Path) -> Path:
    return repository / "jobs" / str(request.param)


def components(job: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((job / SERVER).read_text())["components"]
    return found


def arguments_of(job: Path, component_id: str) -> dict[str, Any]:
    (found,) = (part["args"] for part in components(job) if part["id"] == component_id)
    arguments: dict[str, Any] = found
    return arguments


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("weighting=slice", "did you mean 'slices'"),
        ("aggregation=medain", "did you mean 'median'"),
        ("aggregation=krum", "did you mean 'multi_krum'"),
        ("aggregation=7", "aggregation"),
        ("agregation=median", "did you mean 'aggregation'"),
        ("trim=0.1", "trim belongs to aggregation trimmed_mean"),
        ("byzantine=1", "byzantine belongs to aggregation multi_krum"),
        ("clip_norm=1.0", "clip_norm belongs to aggregation norm_clipping"),
        ("update_gate.factor=1", "update_gate.factor"),
        ("update_gate.rounds=0", "update_gate.rounds"),
        ("update_gate.factor=true", "update_gate.factor"),
        ("update_gate.enabled=1", "update_gate.enabled"),
        ("update_gate.facter=3", "did you mean 'factor'"),
        ("update_gate=false", "update_gate"),
        ("aggregation=median", "min_clients 2: the median needs 3 sites"),
        ("aggregation=trimmed_mean", "trim 0.2 leaves out none of 2 sites"),
        ("aggregation=multi_krum", "byzantine 1 needs 5 sites, not 2"),
    ],
)
def test_a_wrong_rule_is_refused_and_nothing_written(
    override: str, words: str, repository: Path, tmp_path: Path
) -> None:
    source = repository / "jobs" / "fed_gin_heart"
    with pytest.raises(ConfigError) as caught:
        export_job(source, tmp_path / "out", byoc=True, overrides=[override])
    assert words in str(caught.value)
    assert not (tmp_path / "out").exists()


ROBUST = ("median", "trimmed_mean", "norm_clipping", "multi_krum")


@pytest.mark.parametrize("aggregation", ROBUST)
def test_a_robust_aggregation_reaches_the_aggregator(
    job: Path, tmp_path: Path, aggregation: str
) -> None:
    overrides = ["min_clients=5", f"aggregation={aggregation}", "update_gate.factor=3"]
    out = export_job(job, tmp_path / "out", byoc=False, overrides=overrides)
    before = arguments_of(job, "aggregator")
    expected = {
        "aggregation": aggregation,
        "update_gate": {"enabled": True, "factor": 3, "rounds": 3},
    }
    assert arguments_of(out, "aggregator") == {**before, **expected}
    assert OrderedWeightedAggregator(**arguments_of(out, "aggregator"))
    # What an export before this one set is checked again.
    with (
        pytest.raises(ConfigError, match="min_clients 2")
        if aggregation != "norm_clipping"
        else (contextlib.nullcontext())
    ):
        export_job(out, tmp_path / "fewer", byoc=False, overrides=["min_clients=2"])


def test_a_parameter_goes_where_its_aggregation_is(job: Path, tmp_path: Path) -> None:
    overrides = ["min_clients=10", "aggregation=trimmed_mean", "trim=0.1"]
    out = export_job(job, tmp_path / "out", byoc=False, overrides=overrides)
    again = export_job(out, tmp_path / "again", byoc=False, overrides=["trim=0.3"])
    assert arguments_of(again, "aggregator")["trim"] == 0.3
    with pytest.raises(ConfigError, match="set trim to null"):
        export_job(out, tmp_path / "mean", byoc=False, overrides=["aggregation=mean"])
    overrides = ["aggregation=mean", "trim=null"]
    assert export_job(out, tmp_path / "mean", byoc=False, overrides=overrides)


@pytest.mark.parametrize("aggregation", ROBUST)
def test_scaffold_is_averaged_plainly_or_refused(
    repository: Path, tmp_path: Path, aggregation: str
) -> None:
    source = repository / "jobs" / "fed_gin_heart"
    robust = ["min_clients=5", f"aggregation={aggregation}"]
    with pytest.raises(ConfigError, match="scaffold needs aggregation mean"):
        export_job(source, tmp_path / "a", byoc=False, overrides=[*robust, "algorithm=scaffold"])
    out = export_job(source, tmp_path / "a", byoc=False, overrides=robust)
    with pytest.raises(ConfigError, match="scaffold needs aggregation mean"):
        export_job(out, tmp_path / "b", byoc=False, overrides=["algorithm=scaffold"])
    with pytest.raises(ConfigError, match="scaffold needs aggregation mean"):
        OrderedWeightedAggregator(controls=True, aggregation=aggregation)  # type: ignore[arg-type]


def test_the_aggregator_refuses_before_the_quorum_counts(job: Path) -> None:
    order = [component["id"] for component in components(job)]
    assert order.index("record") < order.index("aggregator") < order.index("quorum")
