"""A job starts in a scope that its site has, and in no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.workspace import Workspace

from fedgin.errors import ConfigError
from fedgin.flare.launcher import RelaunchingLauncher
from fedgin.flare.scope_check import check_scope

POLICY = {"scopes": [{"name": "open"}, {"name": "strict"}], "default_scope": "strict"}


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "local" / "privacy.json"
    file.parent.mkdir()
    (tmp_path / "startup").mkdir()
    file.write_text(json.dumps(POLICY))
    return file


@pytest.mark.parametrize(
    ("meta", "scope"),
    [({"scope": "open"}, "open"), ({"scope": ""}, "strict"), ({}, "strict")],
)
def test_a_job_gets_the_scope_it_asks_for_or_the_default(
    policy: Path, meta: dict[str, Any], scope: str
) -> None:
    assert check_scope(meta, policy) == scope


@pytest.mark.parametrize("scope", ["Open", "open ", "../open", ["open"], {"name": "open"}, 1, True])
def test_any_other_is_refused(policy: Path, scope: Any) -> None:
    with pytest.raises(ConfigError, match="open, strict"):
        check_scope({"scope": scope}, policy)


def test_without_a_default_a_job_must_ask(policy: Path) -> None:
    policy.write_text(json.dumps({"scopes": POLICY["scopes"]}))
    with pytest.raises(ConfigError, match="scope"):
        check_scope({}, policy)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"scopes": []}', '{"scopes": [{}]}'])
def test_a_policy_that_names_no_scope_is_refused(policy: Path, content: str) -> None:
    """FLARE takes an empty list for no policy, and then allows every scope and filters nothing."""
    policy.write_text(content)
    with pytest.raises(ConfigError, match="scopes by name"):
        check_scope({"scope": "open"}, policy)


def test_the_launcher_starts_no_process_without_the_policy(
    policy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fl_ctx = FLContext()
    workspace = Workspace(str(policy.parents[1]))
    fl_ctx.set_prop(FLContextKey.WORKSPACE_OBJECT, workspace, private=True, sticky=False)
    with pytest.raises(ConfigError, match="'whatever'"):
        RelaunchingLauncher().launch_job({"scope": "whatever", "job_id": "1"}, fl_ctx)
    assert "not started: the job's scope" in caplog.text
    policy.unlink()
    with pytest.raises(ConfigError, match="no such file"):
        RelaunchingLauncher().launch_job({"scope": "open", "job_id": "1"}, fl_ctx)
