"""A ledger as a table: one row for an answer, and sums of what else was sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fedgin.ledger.entry import Count, Entry

HEADER = (
    *("time (UTC)", "job", "task", "round", "code", "kind", "bytes"),
    *("norm", "filters", "epsilon"),
)
UNSEEN = """\
Not in the ledger: what the client's own process sends (registration, heartbeats, answers to
administrators), what a job sends before its run starts, and what code that came with a job sends
past FLARE."""


def rows(entries: Iterable[Entry]) -> list[Sequence[str]]:
    """Makes one row, under `HEADER`, of each answer to a task."""
    return [
        (
            entry.time[:16].replace("T", " "),
            entry.job[:8],
            entry.task or "",
            "" if entry.round is None else str(entry.round),
            entry.code or "",
            _kind(entry),
            str(entry.bytes),
            "-" if entry.norm is None else f"{entry.norm:.4g}",
            ", ".join(entry.filters or ()) or "none",
            "-" if entry.epsilon is None else f"{entry.epsilon:.3g} (delta {entry.delta or 0:.0e})",
        )
        for entry in entries
        if entry.event == "answer"
    ]


def _kind(entry: Entry) -> str:
    kind = entry.kind or "-"
    if entry.finite is False:
        kind += ", not finite"
    if entry.uncounted:
        kind += f", {sum(entry.uncounted.values())} objects not counted"
    return kind


def totals(entries: Iterable[Entry]) -> dict[str, dict[str, Count]]:
    """Adds up what else was sent, by channel and topic; see `Entry.messages`."""
    found: dict[str, dict[str, Count]] = {}
    for entry in entries:
        for channel, topics in (entry.messages or {}).items():
            for topic, count in topics.items():
                before = found.setdefault(channel, {}).get(topic, Count())
                found[channel][topic] = Count(
                    messages=before.messages + count.messages, bytes=before.bytes + count.bytes
                )
    return found
