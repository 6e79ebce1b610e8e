"""Servers on loopback: TLS as FLARE's server does it, and a time server whose clock is off."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from provisioned import Federation

from fedgin.doctor.subject import Address


@contextmanager
def listening(context: ssl.SSLContext | None, *, says: bytes = b"") -> Iterator[int]:
    """A server that takes one connection: TLS with a context, silent without."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        done = threading.Event()

        def serve() -> None:
            with contextlib.suppress(OSError):
                link, _ = server.accept()
                with link:
                    link.settimeout(20)
                    if context is None:
                        link.sendall(says)
                        done.wait(20)
                        return
                    with context.wrap_socket(link, server_side=True) as secure:
                        secure.sendall(says)
                        secure.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        done.set()
        thread.join(30)
        assert not thread.is_alive()


def server_context(federation: Federation) -> ssl.SSLContext:
    """As FLARE's server: its own certificate, and clients must show one of the authority's."""
    startup = federation.server / "startup"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(startup / "server.crt", startup / "server.key")
    context.load_verify_locations(startup / "rootCA.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


# Seconds from 1900-01-01 to 1970-01-01, by Python's calendar.
SINCE_1900 = int((datetime.date(1970, 1, 1) - datetime.date(1900, 1, 1)).total_seconds())


def stamp(seconds: float) -> bytes:
    whole, rest = divmod(seconds + SINCE_1900, 1)
    return struct.pack("!II", int(whole) % 2**32, int(rest * 2**32))


def answer(question: bytes, *, shift: float, pause: float = 0.0) -> bytes:
    """What a time server of stratum 2 answers whose clock is `shift` seconds ahead."""
    received = time.time() + shift
    time.sleep(pause)
    head = struct.pack("!BBbb", 0b00_100_100, 2, 6, -20) + bytes(8) + b"\x7f\0\0\1"
    sent = time.time() + shift
    return head + stamp(received) + question[40:48] + stamp(received) + stamp(sent)


Reply = Callable[[bytes], bytes | None]


@contextmanager
def time_server(reply: Reply) -> Iterator[Address]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind(("127.0.0.1", 0))
        link.settimeout(20)

        def serve() -> None:
            with contextlib.suppress(OSError):
                question, sender = link.recvfrom(1024)
                assert len(question) == 48
                assert question[0] == 0b00_100_011  # version 4, client
                if (data := reply(question)) is not None:
                    link.sendto(data, sender)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Address("127.0.0.1", link.getsockname()[1])
        thread.join(30)
