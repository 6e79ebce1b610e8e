"""The kit's certificates: whose, from whom, for how long, and whether the key fits."""

from __future__ import annotations

import datetime
import math
import stat
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from fedgin.doctor.finding import Finding, failed, ok, warning
from fedgin.doctor.kit import Kit
from fedgin.doctor.subject import Notes, Subject

WARNING_DAYS = 30
_NEW_KIT = "ask the project's administrator for a new kit"
_DAY = datetime.timedelta(days=1)


def check_certificates(subject: Subject, notes: Notes) -> list[Finding]:
    """Looks at the client's certificate, its key and the federation's authority."""
    kit = subject.kit
    if kit is None:
        raise ValueError("a kit is needed")
    findings: list[Finding] = []
    loaded: dict[str, x509.Certificate] = {}
    for path in (kit.certificate, kit.root):
        try:
            loaded[path.name] = x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError) as error:
            findings.append(_unreadable(path, error))
            continue
        findings.append(_validity(path.name, loaded[path.name]))
    client, root = loaded.get(kit.certificate.name), loaded.get(kit.root.name)
    if client is not None:
        findings += [_owner(client, subject.name), _key_fits(kit, client)]
    if client is not None and root is not None:
        findings.append(_issuer(client, root))
    return [*findings, _permissions(kit.key)]


def _unreadable(path: Path, error: Exception) -> Finding:
    reason = getattr(error, "strerror", None) or "no PEM certificate"
    return failed(path.name, f"cannot be read: {reason}", _NEW_KIT)


def _validity(name: str, certificate: x509.Certificate) -> Finding:
    now = datetime.datetime.now(datetime.UTC)
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    days = (last - now) / _DAY
    if now < first:
        return failed(
            name,
            f"not valid before {first:%Y-%m-%d %H:%M} UTC, and it is {now:%Y-%m-%d %H:%M} UTC here",
            "set this computer's clock; it seems to be behind",
            days_left=days,
        )
    if days < 0:
        return failed(
            name,
            f"expired {math.floor(-days)} days ago, on {last:%Y-%m-%d}",
            _NEW_KIT,
            days_left=days,
        )
    found = f"valid for {math.floor(days)} days, until {last:%Y-%m-%d}"
    if days < WARNING_DAYS:
        return warning(name, found, _NEW_KIT, days_left=days)
    return ok(name, found, days_left=days)


def _owner(certificate: x509.Certificate, site: str) -> Finding:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    owner = str(names[0].value) if names else ""
    if owner != site:
        return failed(
            "name",
            f"the certificate is made out to '{owner}', the site's file is that of '{site}'",
            "take the kit of this site, or name the site's file as the kit is named",
        )
    return ok("name", f"the certificate is made out to '{site}'")


def _key_fits(kit: Kit, certificate: x509.Certificate) -> Finding:
    name = kit.key.name
    try:
        key = serialization.load_pem_private_key(kit.key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or "no unencrypted PEM key"
        return failed(name, f"cannot be read: {reason}", _NEW_KIT)
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        return failed(name, "the key is not that of the certificate", _NEW_KIT)
    return ok(name, "the key is that of the certificate")


def _issuer(client: x509.Certificate, root: x509.Certificate) -> Finding:
    try:
        client.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return failed("authority", "the root certificate did not sign the client's", _NEW_KIT)
    return ok("authority", "the root certificate signed the client's")


def _permissions(key: Path) -> Finding:
    name = "permissions"
    try:
        mode = stat.S_IMODE(key.stat().st_mode)
    except OSError as error:
        return failed(name, f"{key.name}: {error.strerror}", "correct the kit's permissions")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return warning(
            name, f"{key.name} is open to others (mode {mode:03o})", f"chmod 600 {key.name}"
        )
    return ok(name, f"{key.name} is open to its owner alone")
