"""The abdomen job trains on real CT and MR volumes, where they are to be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgin.jobs.export import export_job
from real_data import real_data_folder

from .conftest import simulate

ROUNDS = 2


@pytest.mark.slow
@pytest.mark.skipif(real_data_folder() is None, reason="no real volumes here")
def test_both_sites_contribute_every_round_on_real_volumes(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOTALSEGMENTATOR_ROOT", str(real_data_folder()))
    job = export_job(
        repository / "jobs" / "fed_gin_abdomen",
        tmp_path / "abdomen",
        byoc=True,
        overrides=[f"num_rounds={ROUNDS}", "steps_per_round=20"],
    )
    run = simulate(
        job,
        tmp_path / "run",
        site_configs=repository / "site_configs" / "examples" / "totalsegmentator",
        arguments=["-n", "2", "-t", "2"],
    )
    report = run.report
    assert report["failures"] == [], run.output[-3000:]
    assert [sorted(sites) for sites in report["contributions"].values()] == [
        ["site-1", "site-2"]
    ] * ROUNDS
    modalities = {site: r["modality"] for site, r in report["final"]["last"].items()}
    assert modalities == {"site-1": "CT", "site-2": "MR"}
    assert report["final"]["last"]["site-1"]["test"]["per_class"].keys() == {
        "liver",
        "spleen",
        "kidney_right",
        "kidney_left",
        "pancreas",
        "gallbladder",
    }
