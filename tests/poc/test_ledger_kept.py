"""In a real federation each hospital's ledger holds what left it, through which filters."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedgin.ledger.book import read
from fedgin.ledger.entry import Entry
from fedgin.ledger.find import find_ledger

from .federation import HOSPITALS, Federation

pytestmark = pytest.mark.slow

SCOPE = "strict"


@pytest.fixture(scope="module")
def left(federation: Federation, tiny_job: Callable[..., Path]) -> dict[str, list[Entry]]:
    """By hospital the entries of a job in the strict scope, as its officer finds them."""
    job = tiny_job("in_the_ledger", "num_rounds=1", "min_clients=3")
    meta: dict[str, Any] = json.loads((job / "meta.json").read_text())
    (job / "meta.json").write_text(json.dumps({**meta, "scope": SCOPE}))
    identifier = federation.submit(job)
    federation.wait(identifier)
    patch = pytest.MonkeyPatch()
    with patch.context() as environment:
        environment.setenv("FEDGIN_STORAGE", federation.environment["FEDGIN_STORAGE"])
        files = {site: find_ledger(federation.kit(site)) for site in HOSPITALS}
    return {
        site: [entry for entry in read(file).entries if entry.job == identifier]
        for site, file in files.items()
    }


def test_the_update_is_there_with_scope_and_filters(
    federation: Federation, left: dict[str, list[Entry]]
) -> None:
    for site, entries in left.items():
        policy = json.loads((federation.kit(site) / "local/privacy.json").read_text())
        (scope,) = [each for each in policy["scopes"] if each["name"] == SCOPE]
        expected = [each["path"].rpartition(".")[2] for each in scope["task_result_filters"]]
        assert expected
        (update,) = [each for each in entries if each.task == "train"]
        assert (update.round, update.code, update.kind) == (1, "OK", "WEIGHT_DIFF"), site
        assert (update.scope, list(update.filters or ())) == (SCOPE, expected)
        assert (update.norm or 0) > 0
        assert update.finite


def test_what_else_was_sent_is_counted_to_the_end_of_the_run(left: dict[str, list[Entry]]) -> None:
    for entries in left.values():
        messages = [entry.messages or {} for entry in entries]
        (update,) = [each for each in entries if each.task == "train"]
        wire = [count.bytes for part in messages for count in part.get("wire", {}).values()]
        assert sum(wire) > (update.bytes or 0)
        events = [topic for part in messages for topic in part.get("auxiliary", {})]
        assert "fed.event:fed.analytix_log_stats" in events
        assert entries[-1].event == "messages"
        assert not [part for part in messages if part.get("streams")]  # no log
