"""A site's message is rebuilt from known words and whole numbers; anything else is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_cases import ABDOMEN, MEMORY, made_cases

from fedgin.documents import parse_json
from fedgin.fingerprint.document import merge, read_summary
from fedgin.fingerprint.network_rules import StepMemory
from fedgin.fingerprint.release import EXACT, Policy, release
from fedgin.fingerprint.report import Fingerprint, describe, write_fingerprint
from fedgin.fingerprint.settings import FingerprintSettings
from fedgin.tasks import get_task

CANARY = "Mustermann"


class Loaded(int):
    """A number that could carry more than it shows."""


class LoadedText(str):
    """A text that could."""


@pytest.fixture(scope="module")
def message() -> dict[str, Any]:
    sent = release(made_cases(6), task=ABDOMEN, policy=EXACT, memory=MEMORY)
    return sent.message()


def test_what_is_sent_is_read_as_it_was(message: dict[str, Any]) -> None:
    assert read_summary(message).message() == message


def histogram(message: dict[str, Any]) -> Any:
    return message["modalities"]["CT"]["histograms"]


def set_key(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda message: message.update({key: value})


def set_count(value: Any) -> Callable[[dict[str, Any]], None]:
    def change(message: dict[str, Any]) -> None:
        histogram(message)["size_x"][3] = value

    return change


FAULTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a key more": set_key("note", CANARY),
    "a key less": lambda m: m.pop("memory"),
    "another task": set_key("task", CANARY),
    "a text that carries more": set_key("task", LoadedText("abdomen")),
    "another status": set_key("status", CANARY),
    "another memory": set_key("memory", "cuda-13"),
    "no format": set_key("format", None),
    "a format that is true": set_key("format", True),
    "an epsilon of text": set_key("epsilon", CANARY),
    "an epsilon below 0": set_key("epsilon", -1.0),
    "an epsilon that is none": set_key("epsilon", float("nan")),
    "a floor of text": set_key("smallest_count", "5"),
    "no modalities": set_key("modalities", {}),
    "another modality": lambda m: m["modalities"].update({CANARY: m["modalities"]["CT"]}),
    "cases of half": lambda m: m["modalities"]["CT"].update(cases=2.5),
    "counts with a key more": lambda m: m["modalities"]["CT"].update(note=CANARY),
    "a histogram more": lambda m: histogram(m).update({CANARY: [1]}),
    "a histogram less": lambda m: histogram(m).pop("intensity"),
    "a bin more": lambda m: histogram(m)["size_x"].append(0),
    "a bin less": lambda m: histogram(m)["size_x"].pop(),
    "an array": lambda m: histogram(m).update(size_x=np.zeros(50, np.int64)),
    "a count of half": set_count(0.5),
    "a count below 0": set_count(-1),
    "a count beyond all": set_count(10**13),
    "a count of text": set_count(CANARY),
    "a count that is true": set_count(True),
    "a count that carries more": set_count(Loaded(3)),
    "numpy's number": set_count(np.int64(3)),
    "few, with counts": set_key("status", "too few"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_anything_else_is_refused_without_a_word_of_it(message: dict[str, Any], fault: str) -> None:
    changed = copy.deepcopy(message)
    FAULTS[fault](changed)
    with pytest.raises(ValueError) as caught:
        read_summary(changed)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("found", [None, [], CANARY, {}, {1: 2}, np.zeros(3)])
def test_what_is_no_message_is_refused(found: Any) -> None:
    with pytest.raises(ValueError):
        read_summary(found)


def test_counts_of_other_bins_are_refused_by_name(message: dict[str, Any]) -> None:
    changed = {**message, "bins": "0" * 64}
    with pytest.raises(ValueError, match="bins 0000000000000000 are not ours"):
        read_summary(changed)


def test_sums_add_up() -> None:
    parts = [
        release(made_cases(n, first=10 * n), task=ABDOMEN, policy=EXACT, memory=MEMORY)
        for n in (2, 3, 4)
    ]
    merged = merge(parts)["CT"]
    assert merged.cases == 9
    for name, numbers in merged.histograms.items():
        by_hand = np.sum([part.modalities["CT"].histograms[name] for part in parts], axis=0)
        assert list(numbers) == by_hand.tolist()


def test_the_report_names_every_site_and_what_came_of_it(tmp_path: Path, step: StepMemory) -> None:
    found = Fingerprint(FingerprintSettings(task="abdomen"))
    found.accept("a", release(made_cases(9), task=ABDOMEN, policy=EXACT, memory="cuda-24"))
    few = Policy(smallest_count=5)
    found.accept("b", release(made_cases(3), task=ABDOMEN, policy=few, memory="cuda-8"))
    found.refuse("c", "c answered EXECUTION_EXCEPTION")
    found.close(["a", "b", "c", "d"], seconds=60)
    other = release([], task=get_task("heart"), policy=EXACT, memory=MEMORY)
    with pytest.raises(ValueError, match="counts task heart; asked was abdomen"):
        found.accept("e", other)
    plan = found.plan(step=step)
    # A site with few patients trains all the same: its device counts.
    assert plan.memory == "cuda-8"
    words = describe(found, plan)
    assert "abdomen, 2D: incomplete" in words
    assert "a: 9 CT cases; no smallest count, no noise; device cuda-24" in words
    assert "b: too few patients, nothing sent (counts of 5 patients or more, no noise)" in words
    assert "c: nothing counted: c answered EXECUTION_EXCEPTION" in words
    assert "d: nothing counted: no answer within 60 s" in words
    assert plan.sha256()[:16] in words
    write_fingerprint(tmp_path, found, plan)
    document = parse_json((tmp_path / "fingerprint.json").read_text())
    assert document["sites"]["b"]["cases"] == {}
    assert document["modalities"]["CT"]["cases"] == 9
    assert "no plan" in describe(found, None)
