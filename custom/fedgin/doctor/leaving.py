"""What a kit lets leave besides answers to tasks: streamed logs. And whether it has a ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedgin.config import read_mapping
from fedgin.doctor.finding import Finding, failed, ok, warning
from fedgin.doctor.subject import Notes, Subject
from fedgin.errors import ConfigError

STREAMERS = ("SiteLogStreamer", "JobLogStreamer")
LEDGER = "fedgin.flare.ledger.LedgerKeeper"
_OURS = "copy resources.json and privacy.json from site_configs/hospital"


def check_leaving(subject: Subject, notes: Notes) -> list[Finding]:
    """Looks at the kit's configuration for log streams and for the keeper of the ledger."""
    if subject.kit is None:
        raise ValueError("a kit is needed")
    local = subject.kit.local
    return [_streaming(local), _ledger(local)]


def _streaming(local: Path) -> Finding:
    name = "log streaming"
    try:
        file, content = _read(local, "resources.json")
    except ConfigError:
        return failed(name, "resources.json cannot be read", _OURS)
    named = sorted(
        {each for each in STREAMERS for component in _components(content) if each in component}
    )
    if named:
        return warning(
            name,
            f"{file} has {', '.join(named)}: error messages, with names of files, go to the server",
            f"remove it and set allow_log_streaming to false, or {_OURS}",
        )
    if content.get("allow_log_streaming") is not False:
        return warning(
            name,
            f"{file} does not forbid it: a job may stream the site's log to the server",
            f"set allow_log_streaming to false, or {_OURS}",
        )
    return ok(name, "no log goes to the server")


def _ledger(local: Path) -> Finding:
    name = "ledger"
    try:
        _, content = _read(local, "privacy.json")
    except ConfigError:
        return failed(name, "privacy.json cannot be read", _OURS)
    if LEDGER not in _components(content):
        return warning(name, "nothing keeps a ledger of what leaves the site", _OURS)
    if not content.get("scopes"):
        return warning(name, "FLARE ignores privacy.json without scopes: no ledger is kept", _OURS)
    return ok(name, "what leaves the site is written down; see `fedgin ledger`")


def _read(local: Path, name: str) -> tuple[str, dict[str, Any]]:
    """Reads a file of the kit as FLARE does: that of provisioning where none replaced it.

    Returns:
        Name and content of the file; nothing where there is none.
    """
    for file in (local / name, local / f"{name}.default"):
        if file.is_file():
            return file.name, read_mapping(file)
    return name, {}


def _components(content: dict[str, Any]) -> list[str]:
    listed = content.get("components")
    return [
        str(each.get("path") or each.get("name") or each.get("class_path") or "")
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict)
    ]
