"""Counting messages by channel and topic, from several threads."""

from __future__ import annotations

import threading
from collections import defaultdict

OTHERS = "others"
MOST_TOPICS = 200
"""Topics of a channel that are counted one by one; a name is the sender's choice."""


class Counter:
    """Counts until somebody takes the counts."""

    def __init__(self) -> None:
        """Has counted nothing yet."""
        self._lock = threading.Lock()
        self._counts: dict[str, dict[str, list[int]]] = {}

    def add(self, channel: str, topic: str, size: int) -> None:
        """Counts one message.

        Args:
            channel: How it was sent.
            topic: What it is about.
            size: Its bytes.
        """
        with self._lock:
            topics = self._counts.setdefault(channel, defaultdict(lambda: [0, 0]))
            known = topic in topics or len(topics) < MOST_TOPICS
            count = topics[topic[:200] if known else OTHERS]
            count[0] += 1
            count[1] += size

    def take(self) -> dict[str, dict[str, dict[str, int]]]:
        """Returns the counts as plain values, and starts anew."""
        with self._lock:
            counts, self._counts = self._counts, {}
        return {
            channel: {
                topic: {"messages": messages, "bytes": size}
                for topic, (messages, size) in sorted(topics.items())
            }
            for channel, topics in sorted(counts.items())
        }
