"""Certificates as provisioned, and made with other dates, names and keys."""

from __future__ import annotations

import datetime
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from provisioned import Federation
from subjects import by_name, make_subject

from fedgin.doctor.certificates import check_certificates
from fedgin.doctor.clock import check_clock
from fedgin.doctor.finding import Finding
from fedgin.doctor.kit import Kit
from fedgin.doctor.subject import Notes

DAY = datetime.timedelta(days=1)


def write_certificate(path: Path, *, first: float, last: float, name: str = "hospital-a") -> None:
    """Writes a certificate that is valid from and until so many days from now, and its key."""
    now = datetime.datetime.now(datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + first * DAY)
        .not_valid_after(now + last * DAY)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def findings(kit: Kit, name: str = "hospital-a") -> dict[str, Finding]:
    return by_name(check_certificates(make_subject(kit=kit, name=name), Notes()))


def test_a_new_kit_is_sound(kit: Kit) -> None:
    found = findings(kit)
    assert {finding.status for finding in found.values()} == {"ok"}
    certificate = x509.load_pem_x509_certificate(kit.certificate.read_bytes())
    now = datetime.datetime.now(datetime.UTC)
    left = (certificate.not_valid_after_utc - now).total_seconds() / 86400
    assert found["client.crt"].values["days_left"] == pytest.approx(left, abs=0.01)
    assert f"{int(left)} days" in found["client.crt"].found


@pytest.mark.parametrize(
    ("first", "last", "status", "words"),
    [
        (-400.0, -3.1, "failed", "expired 3 days ago"),
        (-400.0, 29.5, "warning", "valid for 29 days"),
        (-400.0, 30.5, "ok", "valid for 30 days"),
        (0.5, 400.0, "failed", "not valid before"),
    ],
)
def test_the_dates_decide(first: float, last: float, status: str, words: str, kit: Kit) -> None:
    write_certificate(kit.certificate, first=first, last=last)
    found = findings(kit)["client.crt"]
    assert found.status == status
    assert words in found.found
    assert found.values["days_left"] == pytest.approx(last, abs=0.01)
    write_certificate(kit.root, first=first, last=last)
    assert findings(kit)["rootCA.pem"].status == status


def test_a_certificate_of_the_future_tells_that_the_clock_is_behind(kit: Kit) -> None:
    write_certificate(kit.certificate, first=0.5, last=400)
    assert "clock" in findings(kit)["client.crt"].mend
    (clock,) = check_clock(make_subject(kit=kit), Notes())
    assert clock.status == "failed"
    assert clock.values["offset_seconds"] == pytest.approx(43200, abs=60)


def test_the_kit_of_another_site_is_told_with_both_names(kit: Kit) -> None:
    found = findings(kit, name="hospital-b")["name"]
    assert found.status == "failed"
    assert "'hospital-a'" in found.found
    assert "'hospital-b'" in found.found


def test_the_key_of_another_certificate_is_told(kit: Kit, federation: Federation) -> None:
    shutil.copy(federation.server / "startup/server.key", kit.key)
    found = findings(kit)["client.key"]
    assert found.status == "failed"
    assert "not that of the certificate" in found.found


def test_the_authority_of_another_federation_is_told(
    kit: Kit, other_federation: Federation
) -> None:
    # It has the same name: only the signature tells.
    other = replace(kit, root=other_federation.client / "startup/rootCA.pem")
    assert findings(other)["authority"].status == "failed"


@pytest.mark.parametrize(
    ("mode", "status"), [(0o600, "ok"), (0o640, "warning"), (0o604, "warning")]
)
def test_a_key_that_others_can_read_is_told(mode: int, status: str, kit: Kit) -> None:
    kit.key.chmod(mode)
    found = findings(kit)["permissions"]
    assert found.status == status
    assert ("chmod 600" in found.mend) == (status == "warning")


def test_files_that_hold_no_certificate_hide_nothing(kit: Kit) -> None:
    kit.certificate.write_text("no certificate")
    kit.key.write_text("no key")
    found = findings(kit)
    assert found["client.crt"].status == "failed"
    assert "no PEM certificate" in found["client.crt"].found
    assert found["rootCA.pem"].status == "ok"
    kit.root.write_text("nor this")
    write_certificate(kit.certificate, first=-1, last=400)
    kit.key.write_text("no key")
    found = findings(kit)
    assert found["rootCA.pem"].status == "failed"
    assert found["client.key"].status == "failed"
    assert found["client.crt"].status == "ok"
