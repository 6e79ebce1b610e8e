"""A real UDP server on loopback whose clock is off."""

from __future__ import annotations

import datetime

import pytest
from loopback import Reply, answer, stamp, time_server
from subjects import make_subject

from fedgin.doctor.clock import check_clock
from fedgin.doctor.finding import Finding
from fedgin.doctor.sntp import from_timestamp, query_offset, to_timestamp
from fedgin.doctor.subject import Notes


def ask(reply: Reply) -> Finding:
    with time_server(reply) as address:
        (finding,) = check_clock(make_subject(time_server=address), Notes())
    return finding


@pytest.mark.parametrize(
    ("shift", "status", "words"),
    [
        (0.0, "ok", ""),
        (25.0, "ok", "behind"),
        (-25.0, "ok", "ahead"),
        (40.0, "warning", "behind"),
        (-290.0, "warning", "ahead"),
        (310.0, "failed", "behind"),
        (-86400.0, "failed", "ahead"),
    ],
)
def test_the_offset_is_that_of_the_servers_clock(shift: float, status: str, words: str) -> None:
    found = ask(lambda question: answer(question, shift=shift))
    assert found.status == status
    assert words in found.found
    assert found.values["offset_seconds"] == pytest.approx(shift, abs=2)
    assert bool(found.mend) == (status != "ok")


def test_the_time_that_the_server_takes_is_no_delay() -> None:
    with time_server(lambda question: answer(question, shift=5.0, pause=1.5)) as address:
        offset = query_offset(address.host, address.port, timeout=20)
    # Half of what the exchange took on its way bounds the error, whatever the load here.
    assert abs(offset.seconds - 5.0) <= offset.delay / 2 + 0.01
    assert offset.delay < 1.5


def changed(question: bytes, place: int, value: bytes) -> bytes:
    data = answer(question, shift=0.0)
    return data[:place] + value + data[place + len(value) :]


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (0, b"\x23", "something else"),  # a client's packet
        (1, b"\0", "no questions"),  # kiss of death
        (1, b"\x10", "not set"),  # stratum 16
        (0, b"\xe4", "not set"),  # leap indicator 3
        (40, bytes(8), "not set"),  # no time sent
        (24, b"12345678", "something else"),  # an answer to another question
    ],
)
def test_an_answer_that_may_not_be_believed_is_told(place: int, value: bytes, words: str) -> None:
    found = ask(lambda question: changed(question, place, value))
    assert found.status == "failed"
    assert words in found.found


def test_a_short_answer_is_told() -> None:
    found = ask(lambda question: b"short")
    assert found.status == "failed"
    assert "5 bytes" in found.found


def test_a_server_that_keeps_silent_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ask(lambda question: None)
    assert found.status == "failed"
    assert "does not answer" in found.found


def test_a_name_may_have_addresses_that_lead_nowhere() -> None:
    # localhost is ::1 too on many computers, and this server is at 127.0.0.1 alone.
    with time_server(lambda question: answer(question, shift=7.0)) as address:
        offset = query_offset("localhost", address.port, timeout=20)
    assert offset.seconds == pytest.approx(7, abs=2)


def test_without_a_time_server_the_skew_is_unknown() -> None:
    (found,) = check_clock(make_subject(), Notes())
    assert found.status == "skipped"
    assert "--time-server" in found.mend


@pytest.mark.parametrize("year", [1970, 2024, 2035, 2036, 2037, 2100])
def test_timestamps_of_both_eras(year: int) -> None:
    seconds = datetime.datetime(year, 7, 1, tzinfo=datetime.UTC).timestamp() + 0.25
    packed = int.from_bytes(stamp(seconds), "big")
    assert to_timestamp(seconds) == packed
    assert from_timestamp(packed) == pytest.approx(seconds, abs=1e-5)
