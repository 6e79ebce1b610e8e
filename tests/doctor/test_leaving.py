"""A kit as provisioning leaves it streams logs; ours does not, and keeps a ledger."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from subjects import by_name, make_subject

from fedgin.doctor.finding import Finding
from fedgin.doctor.kit import read_kit
from fedgin.doctor.leaving import GUARD, NOTE, PUSHED, check_leaving
from fedgin.doctor.subject import Notes
from fedgin.flare.filters.pushed_tasks import RefusePushedTasks
from fedgin.flare.filters.task_note import RememberTask
from fedgin.flare.filters.update_guard import UpdateGuard


def look(kit_folder: Path) -> dict[str, Finding]:
    return by_name(check_leaving(make_subject(kit=read_kit(kit_folder)), Notes()))


@pytest.fixture
def our_kit(kit_folder: Path, repository: Path) -> Path:
    for name in ("resources.json", "privacy.json"):
        shutil.copy(repository / "site_configs/hospital" / name, kit_folder / "local" / name)
    return kit_folder


def change(file: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def test_a_kit_as_provisioning_makes_it_is_warned_of(kit_folder: Path) -> None:
    found = look(kit_folder)
    assert {name: finding.status for name, finding in found.items()} == {
        "log streaming": "warning",
        "privacy scopes": "failed",
        "ledger": "warning",
    }
    assert "SiteLogStreamer" in found["log streaming"].found
    assert "resources.json.default" in found["log streaming"].found


def test_our_configuration_is_sound(our_kit: Path) -> None:
    assert {finding.status for finding in look(our_kit).values()} == {"ok"}


def test_what_is_not_forbidden_is_allowed(our_kit: Path) -> None:
    change(our_kit / "local/resources.json", lambda content: content.pop("allow_log_streaming"))
    finding = look(our_kit)["log streaming"]
    assert finding.status == "warning"
    assert "allow_log_streaming" in finding.mend


def test_a_policy_without_scopes_keeps_no_ledger(our_kit: Path) -> None:
    change(our_kit / "local/privacy.json", lambda content: content.update(scopes=[]))
    finding = look(our_kit)["ledger"]
    assert (finding.status, "without scopes" in finding.found) == ("warning", True)


def test_a_damaged_file_fails(our_kit: Path) -> None:
    (our_kit / "local/resources.json").write_text("{")
    assert look(our_kit)["log streaming"].status == "failed"


def unguard(scope: dict[str, Any]) -> None:
    scope["task_result_filters"] = scope["task_result_filters"][1:]


def turn_around(scope: dict[str, Any]) -> None:
    scope["task_result_filters"][0]["direction"] = "in"


def let_tasks_out(scope: dict[str, Any]) -> None:
    scope["task_data_filters"] = scope["task_data_filters"][:1]


@pytest.mark.parametrize("edit", [unguard, turn_around, let_tasks_out])
def test_a_scope_that_lets_answers_pass_unseen_is_named(
    our_kit: Path, edit: Callable[[dict[str, Any]], None]
) -> None:
    change(our_kit / "local/privacy.json", lambda content: edit(content["scopes"][1]))
    finding = look(our_kit)["privacy scopes"]
    assert (finding.status, finding.found.split(":")[0]) == ("warning", "standard")


def test_a_default_scope_that_is_not_there_fails(our_kit: Path) -> None:
    change(our_kit / "local/privacy.json", lambda content: content.update(default_scope="nope"))
    assert look(our_kit)["privacy scopes"].status == "failed"


def test_the_filters_are_looked_for_by_their_names() -> None:
    filters = (RememberTask, UpdateGuard, RefusePushedTasks)
    assert [f"{each.__module__}.{each.__name__}" for each in filters] == [NOTE, GUARD, PUSHED]
