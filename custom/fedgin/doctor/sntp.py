"""Asking a time server how far this computer's clock is off (SNTP version 4, RFC 4330)."""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass

PORT = 123
TIMEOUT_SECONDS = 3.0
PACKET = struct.Struct("!B B b b I I 4s Q Q Q Q")
"""Leap indicator, version and mode; stratum; poll; precision; root delay; root dispersion;
reference; then the timestamps reference, originate, receive and transmit: 48 bytes."""
REQUEST_HEAD = 4 << 3 | 3  # version 4, client
SERVER_MODE = 4
UNSYNCHRONIZED = 3
MOST_STRATUM = 15
FRACTION = 2**32
EPOCHS = (2_208_988_800, -2_085_978_496)
"""Seconds from the start of an era (1900, and 2036 when 32 bits have run over) to 1970."""


class NoTime(Exception):
    """The time server gave no time that may be believed."""


@dataclass(frozen=True)
class ClockOffset:
    """How this computer's clock stands.

    Attributes:
        seconds: Server's clock minus this one: above 0 where this one is behind.
        delay: Seconds that question and answer spent on their way; half of it bounds the error.
    """

    seconds: float
    delay: float


def query_offset(host: str, port: int, *, timeout: float = TIMEOUT_SECONDS) -> ClockOffset:
    """Sends one question and computes the offset from the four timestamps of the exchange.

    offset = ((T2 - T1) + (T3 - T4)) / 2 and delay = (T4 - T1) - (T3 - T2), with T1 the question
    sent, T2 received, T3 the answer sent and T4 received (RFC 4330, section 5).

    Args:
        host: Name or address of the server.
        port: UDP port.
        timeout: Seconds to wait for an answer, from each of the host's addresses.

    Raises:
        NoTime: The answer is no answer to this question, or the server does not know the time.
        OSError: There is no answer.
    """
    unreachable: OSError = TimeoutError()
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_DGRAM
    ):
        try:
            with socket.socket(family, kind, protocol) as link:
                link.settimeout(timeout)
                link.connect(address)  # answers of others are dropped
                return _exchange(link)
        except OSError as error:
            unreachable = error  # a host may have addresses that lead nowhere from here
    raise unreachable


def _exchange(link: socket.socket) -> ClockOffset:
    sent, begun = time.time(), time.monotonic()
    stamp = to_timestamp(sent)
    link.send(PACKET.pack(REQUEST_HEAD, 0, 0, 0, 0, 0, b"", 0, 0, 0, stamp))
    answer = link.recv(1024)
    # Not the clock itself, which something may set meanwhile.
    received = sent + (time.monotonic() - begun)
    at_server, left_server = _parse(answer, question=stamp)
    return ClockOffset(
        seconds=((at_server - sent) + (left_server - received)) / 2,
        delay=(received - sent) - (left_server - at_server),
    )


def to_timestamp(seconds: float) -> int:
    """Turns seconds since 1970 into a timestamp of 64 bits, of either era."""
    return int((seconds + EPOCHS[0]) * FRACTION) % 2**64


def from_timestamp(stamp: int) -> float:
    """Turns a timestamp into seconds since 1970; without its highest bit it is after 2036."""
    return stamp / FRACTION - EPOCHS[0 if stamp >> 63 else 1]


def _parse(answer: bytes, *, question: int) -> tuple[float, float]:
    """Returns when the server received the question and when it answered."""
    if len(answer) < PACKET.size:
        raise NoTime(f"{len(answer)} bytes, fewer than the {PACKET.size} of an answer")
    head, stratum, *_, originate, receive, transmit = PACKET.unpack(answer[: PACKET.size])
    if head & 7 != SERVER_MODE or originate != question:
        raise NoTime("something else than an answer to the question")
    if stratum == 0:
        raise NoTime("the server wants no questions now")
    if head >> 6 == UNSYNCHRONIZED or stratum > MOST_STRATUM or not transmit:
        raise NoTime("the server's own clock is not set")
    return from_timestamp(receive), from_timestamp(transmit)
