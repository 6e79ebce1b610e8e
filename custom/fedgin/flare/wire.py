"""Counting the bytes that a job's process sends through its cell, whatever they are."""

from __future__ import annotations

from typing import Any

from nvflare.fuel.f3.cellnet.defs import MessageHeaderKey
from nvflare.fuel.f3.streaming.stream_const import StreamHeaderKey

from fedgin.flare.ledger_values import content_bytes
from fedgin.ledger.counting import Counter

CHANNEL = "wire"


def watch_wire(cell: Any, counter: Counter) -> None:
    """Counts every message that a cell sends from now on, under `wire`, by channel and topic.

    FLARE cuts messages into pieces; each is counted, under its message's own channel and topic. A
    piece that is sent again counts again.

    Args:
        cell: A cell of FLARE's.
        counter: Where to count.
    """

    def count(message: Any) -> None:
        counter.add(CHANNEL, _topic(message), _size(message.payload))

    cell.core_cell.add_outgoing_request_filter("*", "*", count)
    cell.core_cell.add_outgoing_reply_filter("*", "*", count)


def _topic(message: Any) -> str:
    channel = message.get_header(StreamHeaderKey.CHANNEL)
    topic = message.get_header(StreamHeaderKey.TOPIC)
    if channel is None:
        channel = message.get_header(MessageHeaderKey.CHANNEL, "")
        topic = message.get_header(MessageHeaderKey.TOPIC, "")
    return f"{channel}/{topic}"


def _size(payload: Any) -> int:
    return 0 if payload is None else content_bytes(payload)
