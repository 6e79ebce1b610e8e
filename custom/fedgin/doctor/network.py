"""Whether the server's port can be reached, and whether server and site accept each other."""

from __future__ import annotations

import math
import socket
import ssl
import time
from typing import Any

from fedgin.doctor.finding import Finding, failed, ok, skipped
from fedgin.doctor.kit import CLEAR, Kit
from fedgin.doctor.subject import Notes, Subject

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 2.0
SECONDS_A_DAY = 86400.0
_FIREWALL = "ask the network's administrator to let this computer reach that port"


def check_network(subject: Subject, notes: Notes) -> list[Finding]:
    """Connects to the server as FLARE would, and shows it the site's certificate."""
    kit = subject.kit
    if kit is None:
        raise ValueError("a kit is needed")
    start = time.perf_counter()
    try:
        connection = socket.create_connection((kit.host, kit.port), timeout=CONNECT_SECONDS)
    except OSError as error:
        return [_unreachable(kit, error)]
    with connection:
        seconds = time.perf_counter() - start
        findings = [
            ok(
                "server port",
                f"{kit.host}:{kit.port} answers in {1000 * seconds:.0f} ms",
                milliseconds=1000 * seconds,
            )
        ]
        if kit.security == CLEAR:
            return [*findings, skipped("handshake", "the kit says: connections are not encrypted")]
        return findings + _handshake(kit, connection)


def _unreachable(kit: Kit, error: OSError) -> Finding:
    where = f"{kit.host}:{kit.port}"
    if isinstance(error, socket.gaierror):
        found = f"the name {kit.host} has no address"
        mend = "correct the name service or /etc/hosts, or ask whether the server has moved"
    elif isinstance(error, TimeoutError):
        found, mend = f"{where} does not answer in {CONNECT_SECONDS:g} s", _FIREWALL
    elif isinstance(error, ConnectionRefusedError):
        found = f"{where} refuses connections"
        mend = f"ask whether the server runs; if so, {_FIREWALL}"
    else:
        found, mend = f"{where}: {error.strerror or type(error).__name__}", _FIREWALL
    return failed("server port", found, mend)


def _handshake(kit: Kit, connection: socket.socket) -> list[Finding]:
    name = "handshake"
    try:
        context = _context(kit)
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else type(error).__name__
        return [
            failed(name, f"the kit's certificates are of no use ({reason})", "see certificates")
        ]
    try:
        with context.wrap_socket(connection, server_hostname=kit.host) as secure:
            certificate: dict[str, Any] = dict(secure.getpeercert() or {})
            version = secure.version()
            closed = _rejected(secure)
    except ssl.SSLCertVerificationError as error:
        return [
            failed(
                name,
                f"the server's certificate is refused: {error.verify_message}",
                "ask the project's administrator for a kit of this server; 'not yet valid' and "
                "'expired' may also mean that this computer's clock is wrong",
            )
        ]
    except TimeoutError:
        return [failed(name, "no answer: this is no TLS server", "check the port with the server")]
    except ssl.SSLError as error:
        return [_no_agreement(error)]
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return [failed(name, f"broken off: {reason}", "check the port with the server")]
    if closed:
        return [
            failed(
                name,
                f"{version}: the server hung up as soon as it had seen this site's certificate",
                "ask the project's administrator for a new kit, and check the clock",
            )
        ]
    days = (ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()) / SECONDS_A_DAY
    return [
        ok(
            name,
            f"{version}: server and site accept each other's certificates; the server's is valid "
            f"for {math.floor(days)} days",
            server_certificate_days=days,
        )
    ]


def _context(kit: Kit) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=str(kit.root))
    context.load_cert_chain(str(kit.certificate), str(kit.key), password=_no_password)
    if kit.scheme == "grpc":
        context.set_alpn_protocols(["h2"])
    return context


def _no_password() -> str:
    """Keeps OpenSSL from asking at the terminal for the password of an encrypted key."""
    raise ValueError("the key is encrypted")


def _rejected(secure: ssl.SSLSocket) -> bool:
    """Waits a moment for the server's verdict on the site's certificate.

    With TLS 1.3 a client has finished before the server looks at its certificate; a refusal comes
    as an alert, which reading raises, or as the end of the connection (gRPC). A server that accepts
    speaks or waits.

    Raises:
        ssl.SSLError: The server refused the certificate.
    """
    secure.settimeout(ANSWER_SECONDS)
    try:
        return secure.recv(1) == b""
    except TimeoutError:
        return False


def _no_agreement(error: ssl.SSLError) -> Finding:
    reason = (error.reason or type(error).__name__).replace("_", " ").lower()
    if "alert" in reason or "certificate" in reason:
        return failed(
            "handshake",
            f"the server refuses this site's certificate: {reason}",
            "ask the project's administrator for a new kit, and check the clock",
        )
    return failed(
        "handshake",
        f"no TLS server of this federation answers: {reason}",
        "check host and port with the server; a proxy in between must pass TLS on unopened",
    )
