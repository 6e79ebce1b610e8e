"""The walk-through's own commands, from provisioning to a downloaded result."""

from __future__ import annotations

import json
import re

import pytest

from .conftest import section
from .federation import HOSPITALS, Federation, contributions, report_of

pytestmark = pytest.mark.slow


def test_all_hospitals_join(federation: Federation) -> None:
    assert federation.clients() == list(HOSPITALS)


def test_a_job_runs_to_the_end_by_command_line_console_and_api(
    federation: Federation, walkthrough: dict[str, str]
) -> None:
    federation.bash(section(walkthrough, "4. Make the job"))
    printed = federation.bash(section(walkthrough, "5. Submit"), timeout=560)
    submitted = json.loads((federation.folder / "submitted.json").read_text())["data"]["job_id"]
    workspace = federation.folder / "results" / submitted / "workspace"
    everyone = dict.fromkeys(HOSPITALS, "accepted")
    assert contributions(workspace) == {1: everyone, 2: everyone}
    assert report_of(workspace)["failures"] == []
    assert (workspace / "tb_events" / "hospital-a").is_dir()
    # The console says which job it submitted; that one runs to its end as well.
    console = re.search(r"Submitted job: (\S+)", printed)
    assert console, printed
    assert federation.wait(console.group(1)) == "FINISHED:COMPLETED"
    aborted = re.search(r"submitted by the API: (\S+)", printed)
    assert aborted, printed
    assert "ABORTED" in federation.wait(aborted.group(1))
    watched = federation.bash(section(walkthrough, "6. Watch"))
    assert submitted in watched
    assert all(site in watched for site in HOSPITALS)
