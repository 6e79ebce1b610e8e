"""A card whose settings were edited would have the weights predict something else unseen."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from fedgin.release.card import CARD_FILE, ReleaseError, card_from_text, read_card
from fedgin.release.model_file import read_release, write_release
from fedgin.settings import ResolvedSettings
from released_models import change_card, release_into


@pytest.fixture
def file(quick: ResolvedSettings, tmp_path: Path) -> Path:
    return release_into(tmp_path / "release", quick) / CARD_FILE


def content_of(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def write(file: Path, content: dict[str, Any], **form: Any) -> None:
    file.write_text(json.dumps(content, **form))


@pytest.mark.parametrize(
    ("key", "value"), [("ct_window", [-100, 100]), ("overlap", 0.5), ("mr_percentile", 99)]
)
def test_an_edited_setting_is_refused_wherever_a_card_is_read(
    file: Path, key: str, value: Any
) -> None:
    content = content_of(file)
    assert content["settings"][key] != value
    content["settings"][key] = value
    write(file, content)
    for read in (
        lambda: read_card(file),
        lambda: read_release(file.parent),
        lambda: card_from_text(file.read_text(), where="the delivered card"),
    ):
        with pytest.raises(ReleaseError, match="settings must be as they were written"):
            read()


@pytest.mark.parametrize("change", [{"class_names": ["leber"]}, {"task": "abdomen"}])
def test_so_are_other_classes_and_another_task(file: Path, change: dict[str, Any]) -> None:
    write(file, {**content_of(file), **change})
    with pytest.raises(ReleaseError, match="class_names, settings must be as they were written"):
        read_card(file)


@pytest.mark.parametrize("stated", [None, 5, "", "0" * 64])
def test_a_hash_that_is_none_is_not_taken_for_a_card_without(file: Path, stated: Any) -> None:
    write(file, {**content_of(file), "settings_sha256": stated})
    with pytest.raises(ReleaseError, match="settings_sha256"):
        read_card(file)


def test_what_another_program_wrote_anew_is_the_same_card(file: Path) -> None:
    before, content = read_card(file), content_of(file)
    content["settings"]["ct_window"] = [int(edge) for edge in content["settings"]["ct_window"]]
    write(file, content, sort_keys=True, separators=(",", ":"))
    assert read_card(file) == before
    write(file, {**content, "title": "Herz", "limits": ["Nur zur Forschung."]})
    assert read_card(file).title == "Herz"


def test_the_hash_is_one_that_others_can_compute(file: Path) -> None:
    content = content_of(file)
    deciding = {key: content[key] for key in ("task", "class_names", "settings")}
    # Whole numbers are written without a point.
    text = json.dumps(deciding, sort_keys=True, separators=(",", ":")).replace(".0,", ",")
    text = text.replace(".0]", "]").replace(".0}", "}")
    assert content["settings_sha256"] == hashlib.sha256(text.encode()).hexdigest()


def test_a_card_of_before_is_taken_with_a_word_and_written_with_a_hash(
    file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = read_card(file)
    with caplog.at_level(logging.WARNING):
        read_card(file)
    assert caplog.text == ""
    change_card(file.parent)
    with caplog.at_level(logging.WARNING):
        released = read_release(file.parent)
    assert released.card == before
    assert f"{file}: a card without settings_sha256" in caplog.text
    write_release(tmp_path / "copy", released.content, released.card)
    assert "settings_sha256" in content_of(tmp_path / "copy" / CARD_FILE)
