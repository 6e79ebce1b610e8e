"""A site's FLARE client kit: the folder that provisioning made for it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedgin.config import read_mapping
from fedgin.errors import ConfigError, Problem

STARTUP, LOCAL = "startup", "local"
CLIENT_FILE = "fed_client.json"
START_SCRIPT = "start.sh"
CLEAR = "clear"


@dataclass(frozen=True)
class Kit:
    """What a client kit says.

    Attributes:
        folder: The kit.
        host: Name or address of the server.
        port: Its port.
        scheme: How FLARE talks to it, such as `grpc`.
        security: `mtls`, `tls` or `clear`.
        client: Name of the client, where the kit gives one.
        certificate: The client's certificate.
        key: Its private key.
        root: Certificate of the authority that signed the federation's certificates.
    """

    folder: Path
    host: str
    port: int
    scheme: str
    security: str
    client: str
    certificate: Path
    key: Path
    root: Path

    @property
    def local(self) -> Path:
        """The folder that belongs to the site."""
        return self.folder / LOCAL


def read_kit(folder: Path) -> Kit:
    """Reads a client kit.

    Raises:
        ConfigError: The folder is no client kit, or files of it are missing; all are listed.
    """
    startup = folder / STARTUP
    if not (startup / CLIENT_FILE).is_file():
        found = "no such folder" if not folder.is_dir() else f"no {STARTUP}/{CLIENT_FILE} in it"
        raise ConfigError(
            Problem(
                f"--kit {folder}",
                "a client kit is the folder that provisioning made for this site",
                found,
                f"name the folder that holds {STARTUP}/ and {LOCAL}/, such as prod_00/hospital-a",
            )
        )
    content = read_mapping(startup / CLIENT_FILE)
    client = _mapping(content.get("client"))
    files = {
        "ssl_cert": startup / str(client.get("ssl_cert", "client.crt")),
        "ssl_private_key": startup / str(client.get("ssl_private_key", "client.key")),
        "ssl_root_cert": startup / str(client.get("ssl_root_cert", "rootCA.pem")),
    }
    _refuse_missing(folder, [*files.values(), startup / START_SCRIPT, folder / LOCAL])
    host, port, scheme = _server(startup / CLIENT_FILE, content)
    return Kit(
        folder=folder,
        host=host,
        port=port,
        scheme=scheme,
        security=str(client.get("connection_security", "mtls")),
        client=str(client.get("fqsn", "")),
        certificate=files["ssl_cert"],
        key=files["ssl_private_key"],
        root=files["ssl_root_cert"],
    )


def split_address(text: str, *, default_port: int | None = None) -> tuple[str, int] | None:
    """Splits `host:port` or `[address]:port`; None where it is neither."""
    host, colon, port = text.rpartition(":")
    if not colon or _is_ipv6(text):
        host, port = text, "" if default_port is None else str(default_port)
    if ":" in host and not _is_ipv6(host):
        return None
    host = host.removeprefix("[").removesuffix("]")
    if not host or any(letter.isspace() for letter in host) or not port.isdecimal():
        return None
    return (host, int(port)) if 0 < int(port) < 65536 else None


def _is_ipv6(text: str) -> bool:
    """Tells an address of version 6, in brackets or bare; the latter has no port."""
    try:
        ipaddress.IPv6Address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _refuse_missing(folder: Path, wanted: list[Path]) -> None:
    problems = [
        Problem(
            f"--kit {folder}",
            "a client kit must be whole",
            f"no {path.relative_to(folder)}",
            "unpack the kit again, or ask the project's administrator for it",
        )
        for path in wanted
        if not path.exists()
    ]
    if problems:
        raise ConfigError(problems)


def _server(file: Path, content: dict[str, Any]) -> tuple[str, int, str]:
    servers = content.get("servers")
    first = _mapping(servers[0]) if isinstance(servers, list) and servers else {}
    service = _mapping(first.get("service"))
    target = str(service.get("target", ""))
    address = split_address(target)
    if address is None:
        raise ConfigError(
            Problem(
                f"{file}: key 'servers'",
                "the first server's service needs a target host:port",
                repr(target),
                "provision the kit again",
            )
        )
    return *address, str(service.get("scheme", "grpc"))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
