"""Names that stand for patients: hashes with a secret of the site's own."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import stat
from pathlib import Path

from fedgin.errors import ConfigError, Problem
from fedgin.sites.folders import SecretSettings, own_state_folder
from fedgin.sites.lookup import Site

logger = logging.getLogger(__name__)

SECRET_BYTES = 32
SUFFIX = ".secret"


def patient_hash(site: str, patient: str, *, secret: bytes = b"") -> str:
    """Names a patient by 12 hexadecimal digits; the same identifier at two sites has two names.

    Args:
        site: Name of the site.
        patient: The patient's identifier.
        secret: The site's secret, see `site_secret`. With one nobody else can try identifiers until
            a hash fits; without one, as for phantoms, anybody can.
    """
    text = f"{site}\x1f{patient}".encode("utf-8", "surrogateescape")
    if secret:
        return hmac.new(secret, text, hashlib.sha256).hexdigest()[:12]
    return hashlib.sha256(text).hexdigest()[:12]


def site_secret(site: Site) -> bytes:
    """Returns the secret of a site's patient hashes.

    Sites of phantoms have none: their patients are no secret, and a study of them can be repeated
    elsewhere.

    Returns:
        32 bytes, or none for phantoms.

    Raises:
        ConfigError: The secret cannot be read or made, or others than its owner may read it.
    """
    return b"" if site.config.is_phantom else kept_secret(site.name, site.config.secret)


def kept_secret(site: str, settings: SecretSettings) -> bytes:
    """Returns the secret that is kept under a site's name, made when it is first asked for.

    Raises:
        ConfigError: As `site_secret` does.
    """
    try:
        file = _folder(settings) / f"{site}{SUFFIX}"
        if not file.exists():
            _make(file)
        return _read(file)
    except (OSError, RuntimeError) as error:
        found = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            Problem(
                f"site '{site}': key 'secret.folder'",
                "a site keeps a secret for its patients' hashes in a folder that it can write",
                found,
                "name another folder, or correct its permissions",
            )
        ) from None


def _folder(settings: SecretSettings) -> Path:
    if settings.folder is not None:
        return Path(settings.folder).expanduser()
    return own_state_folder()


def _make(file: Path) -> None:
    """Makes a secret, once: of several processes that try at the same time one succeeds."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(secrets.token_hex(SECRET_BYTES).encode())
            opened.flush()
            os.fsync(opened.fileno())
        try:
            os.link(temporary, file)
        except FileExistsError:
            return
    finally:
        temporary.unlink()
    logger.info("made the secret of this site's patient hashes: %s", file)


def _read(file: Path) -> bytes:
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            Problem(
                str(file),
                "only its owner may read a site's secret",
                f"mode {mode:04o}",
                f"chmod 600 {file.name}; if others may have read it, remove it: new hashes follow",
            )
        )
    try:
        found = bytes.fromhex(file.read_text(encoding="ascii"))
    except ValueError:
        found = b""
    if len(found) != SECRET_BYTES:
        raise ConfigError(
            Problem(
                str(file),
                f"a site's secret is {2 * SECRET_BYTES} hexadecimal digits",
                f"{file.stat().st_size} bytes of another form",
                "put the right file back, or remove it: a new one is made, with other hashes",
            )
        )
    return found
