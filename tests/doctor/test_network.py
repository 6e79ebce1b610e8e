"""Real TLS servers on loopback, with the certificates that provisioning made."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace

import pytest
from loopback import listening, server_context
from provisioned import Federation
from subjects import by_name, make_subject

from fedgin.doctor.finding import Finding
from fedgin.doctor.kit import Kit
from fedgin.doctor.network import check_network
from fedgin.doctor.subject import Notes


def findings(kit: Kit, port: int, **changes: str) -> dict[str, Finding]:
    changed = replace(kit, port=port, **changes)
    return by_name(check_network(make_subject(kit=changed), Notes()))


@pytest.mark.parametrize("says", [b"", b"settings"])
def test_server_and_site_of_one_federation_accept_each_other(
    says: bytes, kit: Kit, federation: Federation
) -> None:
    with listening(server_context(federation), says=says) as port:
        found = findings(kit, port)
    assert found["server port"].status == "ok"
    handshake = found["handshake"]
    assert handshake.status == "ok", handshake
    assert "TLSv1.3" in handshake.found
    assert 355 < float(handshake.values["server_certificate_days"] or 0) < 366


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_site_of_another_federation_is_refused_by_the_server(
    version: ssl.TLSVersion, kit: Kit, federation: Federation, other_federation: Federation
) -> None:
    startup = other_federation.client / "startup"
    stranger = replace(kit, certificate=startup / "client.crt", key=startup / "client.key")
    context = server_context(federation)
    context.maximum_version = version
    with listening(context) as port:
        found = findings(stranger, port)
    assert found["server port"].status == "ok"
    assert found["handshake"].status == "failed"
    assert "this site's certificate" in found["handshake"].found


def test_a_server_of_another_federation_is_refused_by_the_site(
    kit: Kit, other_federation: Federation
) -> None:
    with listening(server_context(other_federation)) as port:
        found = findings(kit, port)
    assert found["handshake"].status == "failed"
    assert "the server's certificate is refused" in found["handshake"].found


def test_a_server_under_another_name_is_refused(kit: Kit, federation: Federation) -> None:
    with listening(server_context(federation)) as port:
        found = findings(kit, port, host="127.0.0.1")
    assert found["handshake"].status == "failed"
    assert "127.0.0.1" in found["handshake"].found


def test_another_service_on_the_port_is_no_server(kit: Kit) -> None:
    with listening(None, says=b"220 mail.example ESMTP\r\n") as port:
        found = findings(kit, port)
    assert found["server port"].status == "ok"
    assert found["handshake"].status == "failed"
    assert "no TLS server" in found["handshake"].found


def test_a_service_that_says_nothing_is_no_server(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedgin.doctor.network.CONNECT_SECONDS", 1.0)
    with listening(None) as port:
        found = findings(kit, port)
    assert found["handshake"].status == "failed"
    assert "no answer" in found["handshake"].found


def test_a_closed_port_is_told_with_a_mend(kit: Kit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    found = findings(kit, port)
    assert set(found) == {"server port"}
    assert found["server port"].status == "failed"
    assert "refuses connections" in found["server port"].found
    assert "server runs" in found["server port"].mend


def test_a_name_without_an_address_is_told(kit: Kit) -> None:
    found = findings(kit, 8002, host="no-such-server.invalid")
    assert found["server port"].status == "failed"
    assert "has no address" in found["server port"].found


def test_without_encryption_there_is_no_handshake(kit: Kit) -> None:
    with listening(None) as port:
        found = findings(kit, port, security="clear")
    assert found["server port"].status == "ok"
    assert found["handshake"].status == "skipped"


def test_a_key_that_does_not_fit_is_told(kit: Kit, federation: Federation) -> None:
    with listening(server_context(federation)) as port:
        key = federation.server / "startup/server.key"
        found = by_name(check_network(make_subject(kit=replace(kit, port=port, key=key)), Notes()))
    assert found["handshake"].status == "failed"
    assert "of no use" in found["handshake"].found
