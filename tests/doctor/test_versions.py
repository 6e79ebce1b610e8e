"""What is installed against what is asked for, and the package against the job's."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from subjects import by_name, make_subject

import fedgin
from fedgin.doctor.subject import Notes
from fedgin.doctor.versions import check_versions, judge_libraries
from fedgin.jobs.export import export_job
from fedgin.package import package_hash, package_root


def test_this_installation_fits(repository: Path) -> None:
    found = by_name(check_versions(make_subject(), Notes()))
    assert found["python"].status == "ok"
    assert found["libraries"].values["torch"] == metadata.version("torch")
    assert found["libraries"].values["nvflare"] == metadata.version("nvflare")
    assert found["fedgin"].values["version"] == fedgin.__version__
    assert found["fedgin"].values["sha256"] == package_hash(package_root())
    assert found["the job's package"].status == "skipped"


def test_a_library_that_does_not_fit_is_told() -> None:
    wanted = ["torch>=99", "no-such-library>=1", "numpy>=1"]
    found = by_name(judge_libraries([Requirement(text) for text in wanted]))
    assert found["torch"].status == "failed"
    assert metadata.version("torch") in found["torch"].found
    assert ">=99" in found["torch"].found
    assert found["no-such-library"].status == "failed"
    assert "not installed" in found["no-such-library"].found
    assert found["libraries"].values == {"numpy": metadata.version("numpy")}


@pytest.mark.parametrize("changed", [False, True])
def test_the_jobs_content_hash_is_compared(changed: bool, repository: Path, tmp_path: Path) -> None:
    job = export_job(repository / "jobs/fed_gin_heart", tmp_path / "job", byoc=False, overrides=[])
    stamp = job / "app/config/package.json"
    if changed:
        stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "sha256": "0" * 64}))
    found = by_name(check_versions(make_subject(job=job), Notes()))["the job's package"]
    assert found.status == ("failed" if changed else "ok")
    if changed:
        assert "0" * 16 in found.found
        assert package_hash(package_root())[:16] in found.found


def test_a_job_without_a_hash_is_told(repository: Path) -> None:
    job = repository / "jobs/fed_gin_heart"
    found = by_name(check_versions(make_subject(job=job), Notes()))["the job's package"]
    assert found.status == "skipped"
    assert "fedgin job export" in found.mend
