"""The card's page as Markdown and as HTML; whatever the card says is text there, never markup."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fedgin.export.card_page import card_sections
from fedgin.release.card import ModelCard
from fedgin.report.study.cells import Table

MARKDOWN_FILE, HTML_FILE = "MODEL_CARD.md", "model_card.html"

# All that CommonMark or GitHub reads as markup within a line, tables and links without brackets
# included; a backslash before a punctuation mark makes it plain.
_MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&!@$]|://|(?<=www)\.")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


def card_html(card: ModelCard) -> str:
    """Renders a card as one HTML page that asks for nothing else."""
    from fedgin.report.study.page import render

    return render(
        "model_card.html.j2",
        title=plain(card.title),
        name=card.weights.sha256[:16],
        sections=card_sections(card),
    )


def card_markdown(card: ModelCard) -> str:
    """Renders a card as Markdown."""
    return "\n".join(_lines(card)) + "\n"


def plain(text: str) -> str:
    """Puts a text on one line, without characters that control or hide."""
    return " ".join(_UNSEEN.sub(" ", text).split())


def escaped(text: str) -> str:
    """Writes a text so that Markdown shows it as it is."""
    return _MARKUP.sub(lambda found: "\\" + found.group(), plain(text))


def _lines(card: ModelCard) -> Iterator[str]:
    yield f"# Model: {escaped(card.title)}"
    yield ""
    yield f"Released model {card.weights.sha256[:16]}."
    for section in card_sections(card):
        yield ""
        yield f"## {section.title}"
        if section.sentences:
            yield ""
            yield from (f"- {escaped(sentence)}" for sentence in section.sentences)
        for table in section.tables:
            yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield ""
    yield f"{escaped(table.caption)}:"
    yield ""
    yield _row(table.header)
    yield _row(["---"] * len(table.header), raw=True)
    yield from (_row(row) for row in table.rows)


def _row(cells: tuple[str, ...] | list[str], *, raw: bool = False) -> str:
    return "| " + " | ".join(cell if raw else escaped(cell) for cell in cells) + " |"
