"""The card's page: its numbers are the card's, and its texts are shown and never obeyed."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from fedgin.export.card_files import card_html, card_markdown, escaped, plain
from fedgin.release.card import ModelCard
from fedgin.settings import make_settings
from released_models import make_record, make_release

HOSTILE = (
    "<script>alert(1)</script> [click](https://evil.example) ![](https://evil.example/x.png) "
    "| a `b` **c** www.evil.example &lt; @someone #1\n\n# heading\u202e"
)


@pytest.fixture
def card() -> ModelCard:
    return make_release(make_settings(task="abdomen", channels=[4, 8], patch_size=[32, 32]))[1]


@pytest.fixture
def hostile(card: ModelCard) -> ModelCard:
    sites = {HOSTILE if name == "a" else name: facts for name, facts in card.sites.items()}
    return card.model_copy(
        update={"title": HOSTILE, "limits": (HOSTILE,), "sites": sites, "fedgin_version": HOSTILE}
    )


class Parts(HTMLParser):
    """Tags and attributes of a page, and the text of its cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links |= {value or "" for key, value in attrs if key in ("href", "src")}

    def handle_data(self, data: str) -> None:
        self.text.append(data.strip())


def rows(markdown: str) -> list[list[str]]:
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_both_pages_show_what_the_card_says(card: ModelCard) -> None:
    html, markdown = Parts(card_html(card)).text, card_markdown(card)
    for text in (*card.intended_use, *card.limits, card.weights.sha256, card.package_sha256):
        assert text in html
        assert escaped(text) in markdown
    table = rows(markdown)
    assert ["CT", "a, b", "0.700", "0.500"] in table
    assert ["b", "CT", "2", "0.600", "3", "0.400"] in table
    # Site b's update was accepted in one of two rounds.
    assert ["b", "CT", "50", "1 of 2"] in table
    assert [r"gin.kernel\_sizes", r"\[1, 3\]"] in table
    assert [
        "site",
        "liver",
        "spleen",
        "kidney right",
        "kidney left",
        "pancreas",
        "gallbladder",
    ] in (table)


def test_what_was_not_measured_is_a_dash() -> None:
    record = make_record()
    record.sites.append("z")
    settings = make_settings(task="heart", channels=[4, 8], patch_size=[32, 32])
    table = rows(card_markdown(make_release(settings, record)[1]))
    dash = "\N{EN DASH}"
    assert ["z", dash, dash, dash, dash, dash] in table
    assert ["z", dash, dash, "0 of 2"] in table


def test_hostile_text_is_no_markup_in_html(card: ModelCard, hostile: ModelCard) -> None:
    harmless, found = Parts(card_html(card)), Parts(card_html(hostile))
    assert found.tags == harmless.tags
    assert found.links == harmless.links
    assert any("<script>alert(1)</script>" in text for text in found.text)


def test_hostile_text_is_no_markup_in_markdown(hostile: ModelCard) -> None:
    text = card_markdown(hostile)
    assert "\u202e" not in text
    # Every mark of the texts has its backslash: the rest of the page uses none of these.
    assert not re.search(r"(?<!\\)[<>\[\]`*&!@]", text)
    assert "https://" not in text
    assert "www.evil" not in text
    assert [line for line in text.splitlines() if line.startswith("# ")] == [
        f"# Model: {escaped(HOSTILE)}"
    ]
    widths = {len(re.split(r"(?<!\\)\|", line)) for line in text.splitlines() if "script" in line}
    assert widths <= {1, 4, 6, 8, 9}


def test_a_text_stays_on_its_line() -> None:
    assert plain("a\r\n b\x00\u2028c\u200b") == "a b c"
