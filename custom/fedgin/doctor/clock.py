"""This computer's clock: certificates and logs of a federation need the same time everywhere."""

from __future__ import annotations

import datetime

from cryptography import x509

from fedgin.doctor.finding import Finding, failed, ok, skipped, warning
from fedgin.doctor.sntp import NoTime, query_offset
from fedgin.doctor.subject import Address, Notes, Subject

WARNING_SECONDS = 30.0
FAILED_SECONDS = 300.0
_SET_CLOCK = "let a time service set this computer's clock"
NAME = "clock skew"


def check_clock(subject: Subject, notes: Notes) -> list[Finding]:
    """Asks the time server; without one, tells what the kit's certificate says."""
    if subject.time_server is not None:
        return [_ask(subject.time_server)]
    found = "no time server was named"
    if subject.kit is not None:
        try:
            certificate = x509.load_pem_x509_certificate(subject.kit.certificate.read_bytes())
        except (OSError, ValueError):
            return [skipped(NAME, f"{found}; the kit's certificate cannot be read")]
        behind = certificate.not_valid_before_utc - datetime.datetime.now(datetime.UTC)
        if behind > datetime.timedelta():
            seconds = behind.total_seconds()
            return [
                failed(
                    NAME,
                    f"the clock is at least {seconds:.0f} s behind: the kit's certificate is not "
                    "valid yet",
                    _SET_CLOCK,
                    offset_seconds=seconds,
                )
            ]
        found += "; the kit's certificate is of the past, so the clock is at least no older than it"
    return [skipped(NAME, found, "name one with --time-server")]


def _ask(server: Address) -> Finding:
    try:
        offset = query_offset(server.host, server.port)
    except TimeoutError:
        return _no_answer(f"{server} does not answer")
    except OSError as error:
        return _no_answer(f"{server}: {error.strerror or type(error).__name__}")
    except NoTime as error:
        return _no_answer(f"{server}: {error}")
    seconds = offset.seconds
    direction = "behind" if seconds > 0 else "ahead"
    found = f"{abs(seconds):.2f} s {direction} of {server} (within {offset.delay / 2:.2f} s)"
    values = {"offset_seconds": seconds, "delay_seconds": offset.delay}
    if abs(seconds) > FAILED_SECONDS:
        return failed(NAME, found, _SET_CLOCK, **values)
    if abs(seconds) > WARNING_SECONDS:
        return warning(NAME, found, _SET_CLOCK, **values)
    return ok(NAME, found, **values)


def _no_answer(found: str) -> Finding:
    return failed(NAME, found, "name a time server that this computer may ask (UDP)")
