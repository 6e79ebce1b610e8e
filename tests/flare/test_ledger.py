"""The keeper of the ledger: in the job's process, after the filters, and no data without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import ReservedHeaderKey, Shareable
from nvflare.private.fed.client.client_runner import ClientRunnerConfig, TaskRouter

from fedgin.engine.weights import get_weights
from fedgin.flare.ledger import LedgerKeeper, wrap
from fedgin.flare.simulation import JOB_NAME
from fedgin.ledger.book import ledger_file, read
from fedgin.ledger.entry import Entry
from fedgin.networks import build_network
from fedgin.settings import SETTINGS_FILE, read_settings

SITES = ("site-1", "site-2")


def entries(canaries: tuple[Path, Any], site: str) -> tuple[Entry, ...]:
    workspace: Path = canaries[0] / "workspace"
    return read(ledger_file(workspace / site / "ledger", site)).entries


@pytest.mark.slow
def test_each_answer_of_a_site_stands_in_its_ledger(canaries: tuple[Path, Any]) -> None:
    found = entries(canaries, "site-1")
    answers = [entry for entry in found if entry.event == "answer"]
    assert [entry.task for entry in answers] == ["train", "validate", "validate", "deliver"]
    assert [entry.kind for entry in answers] == ["WEIGHT_DIFF", *["METRICS"] * 3]
    assert {(entry.code, entry.asked_by, entry.filters) for entry in answers} == {
        ("OK", "pull", ())
    }
    assert answers[0].round == 1
    assert {entry.job for entry in found} == {JOB_NAME}


@pytest.mark.slow
def test_the_norm_is_that_of_what_the_server_received(canaries: tuple[Path, Any]) -> None:
    import torch

    folder = canaries[0]
    settings = read_settings(folder / "job/app/config" / SETTINGS_FILE)
    before = get_weights(build_network(settings))
    file = folder / "workspace/server" / JOB_NAME / "app_server/FL_global_model.pt"
    after = torch.load(file, map_location="cpu", weights_only=True)["model"]
    # One site contributed, so that the global model moved by its update.
    moved = [after[name].numpy().astype(np.float64) - before[name] for name in before]
    expected = float(np.sqrt(sum((part**2).sum() for part in moved)))
    (entry,) = [each for each in entries(canaries, "site-1") if each.kind == "WEIGHT_DIFF"]
    assert entry.norm == pytest.approx(expected, rel=1e-4)
    assert entry.values == sum(part.size for part in moved)


@pytest.mark.slow
def test_a_site_that_refuses_sends_codes_and_no_array(canaries: tuple[Path, Any]) -> None:
    found = [entry for entry in entries(canaries, "site-2") if entry.event == "answer"]
    codes = {entry.task: (entry.code, entry.arrays) for entry in found}
    assert codes["train"] == codes["validate"] == (ReturnCode.EXECUTION_EXCEPTION, 0)
    assert codes["deliver"] == ("OK", 0)


@pytest.mark.slow
def test_events_and_bytes_on_the_wire_are_counted(canaries: tuple[Path, Any]) -> None:
    auxiliary: dict[str, int] = {}
    wire: dict[str, int] = {}
    for entry in entries(canaries, "site-1"):
        messages = entry.messages or {}
        for topic, count in messages.get("auxiliary", {}).items():
            auxiliary[topic] = auxiliary.get(topic, 0) + count.messages
        for topic, count in messages.get("wire", {}).items():
            wire[topic] = wire.get(topic, 0) + count.bytes
    # Loss, learning rate, seconds, mean Dice and a picture; heart's Dice is of too few patients.
    assert auxiliary["fed.event:fed.analytix_log_stats"] == 5
    (update,) = [each for each in entries(canaries, "site-1") if each.kind == "WEIGHT_DIFF"]
    assert sum(wire.values()) > (update.bytes or 0) > 1000
    assert wire["server_command/submit_update"] > 0


@pytest.mark.slow
def test_nothing_in_the_ledger_names_a_file(canaries: tuple[Path, Any]) -> None:
    for site in SITES:
        assert "cnry" not in json.dumps([e.model_dump() for e in entries(canaries, site)])


def test_flare_refuses_a_job_that_has_a_component_of_the_keepers_name() -> None:
    config = ClientRunnerConfig(TaskRouter(), {}, {}, components={"fedgin_ledger": object()})
    with pytest.raises(ValueError, match="duplicate component id fedgin_ledger"):
        config.add_component("fedgin_ledger", LedgerKeeper())


def answer() -> Shareable:
    data = {"w": np.ones(3, np.float32)}
    result = DXO(DataKind.WEIGHT_DIFF, data=data).to_shareable()
    result.set_header(ReservedHeaderKey.TASK_NAME, "train")
    result.set_header(ReservedHeaderKey.TASK_ID, "id")
    result.set_cookie_jar({"round": 0})
    return result


def test_an_answer_that_cannot_be_entered_does_not_leave() -> None:
    sent: list[Shareable] = []

    class Engine:
        def send_task_result(self, result: Shareable, fl_ctx: FLContext, timeout: float) -> bool:
            sent.append(result)
            return True

    engine, keeper = Engine(), LedgerKeeper()
    wrap(engine, "send_task_result", keeper._send_task_result)  # a keeper that never started
    assert engine.send_task_result(answer(), FLContext(), timeout=1.0)
    (left,) = sent
    assert left.get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    assert "DXO" not in left
    assert not [value for value in left.values() if isinstance(value, np.ndarray)]
    # FLARE still knows which task it answers.
    assert left.get_header(ReservedHeaderKey.TASK_ID) == "id"
    assert left.get_cookie_jar() == {"round": 0}
