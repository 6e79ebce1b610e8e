"""Counts from many threads, and names that a sender invents."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from fedgin.ledger.counting import MOST_TOPICS, OTHERS, Counter


def test_no_message_is_lost_between_threads() -> None:
    counter = Counter()
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda n: counter.add("wire", f"t{n % 3}", n), range(3000)):
            pass
    counts = counter.take()["wire"]
    assert sum(count["messages"] for count in counts.values()) == 3000
    assert sum(count["bytes"] for count in counts.values()) == sum(range(3000))
    assert counter.take() == {}


def test_topics_without_end_are_counted_together() -> None:
    counter = Counter()
    for number in range(MOST_TOPICS + 50):
        counter.add("wire", f"topic {number}", 1)
    counts = counter.take()["wire"]
    assert len(counts) == MOST_TOPICS + 1
    assert counts[OTHERS] == {"messages": 50, "bytes": 50}
