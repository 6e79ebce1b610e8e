"""The officer's view: finding the ledger of a kit, and the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgin.errors import ConfigError
from fedgin.ledger.book import append, ledger_file, read
from fedgin.ledger.find import find_ledger
from fedgin.ledger.view import HEADER, rows, totals

ANSWER = {
    **{"site": "here", "job": "j1", "event": "answer", "task": "train", "round": 3, "code": "OK"},
    **{"kind": "WEIGHT_DIFF", "bytes": 98254, "norm": 1.25, "filters": ["Clip", "Noise"]},
    **{"epsilon": 2.5, "delta": 1e-5},
}
SITE = """\
modality: CT
dataset: {{kind: phantom, protocol: arterial, seed: 1, cases: 4}}
ledger: {{folder: {folder}}}
"""


def test_a_file_its_folder_and_a_kit_lead_to_the_same_ledger(tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    file = ledger_file(kit / "ledger", "here")
    append(file, ANSWER)
    assert find_ledger(file) == find_ledger(file.parent) == find_ledger(kit) == file


def test_a_kit_s_site_file_may_name_another_folder(tmp_path: Path) -> None:
    (tmp_path / "kit/local").mkdir(parents=True)
    (tmp_path / "kit/local/here.yaml").write_text(SITE.format(folder=tmp_path / "far"))
    (tmp_path / "kit/local/other.yaml").write_text("no: site")
    file = ledger_file(tmp_path / "far", "here")
    append(file, ANSWER)
    assert find_ledger(tmp_path / "kit") == file


def test_none_and_several_are_refused_with_what_was_found(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none there"):
        find_ledger(tmp_path)
    for site in ("a", "b"):
        append(ledger_file(tmp_path, site), ANSWER)
    with pytest.raises(ConfigError, match=r"a\.ledger\.jsonl, .*b\.ledger\.jsonl"):
        find_ledger(tmp_path)


def test_a_row_says_what_left_and_through_which_filters(tmp_path: Path) -> None:
    append(tmp_path / "l", ANSWER)
    append(tmp_path / "l", {"site": "here", "job": "j1", "event": "messages", "messages": {}})
    (row,) = rows(read(tmp_path / "l").entries)
    shown = dict(zip(HEADER, row, strict=True))
    assert (shown["task"], shown["round"], shown["kind"]) == ("train", "3", "WEIGHT_DIFF")
    assert (shown["bytes"], shown["norm"]) == ("98254", "1.25")
    assert shown["filters"] == "Clip, Noise"
    assert shown["epsilon"] == "2.5 (delta 1e-05)"


def test_what_is_odd_stands_in_the_row(tmp_path: Path) -> None:
    odd = {"norm": None, "finite": False, "uncounted": {"x.Y": 2}, "filters": [], "epsilon": None}
    append(tmp_path / "l", {**ANSWER, **odd})
    (row,) = rows(read(tmp_path / "l").entries)
    shown = dict(zip(HEADER, row, strict=True))
    assert shown["kind"] == "WEIGHT_DIFF, not finite, 2 objects not counted"
    assert (shown["filters"], shown["norm"], shown["epsilon"]) == ("none", "-", "-")


def test_other_messages_are_added_up(tmp_path: Path) -> None:
    for size in (10, 32):
        counts = {"wire": {"a/b": {"messages": 1, "bytes": size}}}
        append(tmp_path / "l", {"site": "h", "job": "j", "event": "messages", "messages": counts})
    count = totals(read(tmp_path / "l").entries)["wire"]["a/b"]
    assert (count.messages, count.bytes) == (2, 42)
