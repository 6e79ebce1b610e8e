"""What a kit lets leave: streamed logs, what no filter sees; and whether it has a ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedgin.config import read_mapping
from fedgin.doctor.finding import Finding, failed, ok, warning
from fedgin.doctor.subject import Notes, Subject
from fedgin.errors import ConfigError

STREAMERS = ("SiteLogStreamer", "JobLogStreamer")
LEDGER = "fedgin.flare.ledger.LedgerKeeper"
NOTE = "fedgin.flare.filters.task_note.RememberTask"
GUARD = "fedgin.flare.filters.update_guard.UpdateGuard"
PUSHED = "fedgin.flare.filters.pushed_tasks.RefusePushedTasks"
_OURS = "copy resources.json and privacy.json from site_configs/hospital"


def check_leaving(subject: Subject, notes: Notes) -> list[Finding]:
    """Looks at the kit's configuration for log streams and for the keeper of the ledger."""
    if subject.kit is None:
        raise ValueError("a kit is needed")
    local = subject.kit.local
    return [_streaming(local), _scopes(local), _ledger(local)]


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


def _scopes(local: Path) -> Finding:
    name = "privacy scopes"
    try:
        _, content = _read(local, "privacy.json")
        scopes = content.get("scopes") or []
        names = [str(scope["name"]) for scope in scopes]
        unguarded = [str(scope["name"]) for scope in scopes if not _is_guarded(scope)]
    except (ConfigError, TypeError, KeyError, AttributeError):
        return failed(name, "privacy.json cannot be read", _OURS)
    if not names:
        return failed(name, "there is none: our launcher starts no job here", _OURS)
    default = content.get("default_scope")
    if default is not None and default not in names:
        return failed(name, f"default_scope is none of {', '.join(names)}", _OURS)
    if unguarded:
        return warning(
            name,
            f"{', '.join(unguarded)}: no UpdateGuard on what goes out with RememberTask on what "
            "comes in, or no RefusePushedTasks on tasks of the site's own",
            f"give each scope what it has in ours, or {_OURS}",
        )
    return ok(name, f"{', '.join(names)}; a job that names none gets {default or 'none'}")


def _is_guarded(scope: dict[str, Any]) -> bool:
    """Tells whether a scope has the three filters that let nothing pass unseen."""

    def has(chain: str, path: str, direction: str) -> bool:
        return any(
            each.get("path") == path and each.get("direction", direction) == direction
            for each in scope.get(chain) or []
        )

    return (
        has("task_data_filters", NOTE, "in")
        and has("task_data_filters", PUSHED, "out")
        and has("task_result_filters", GUARD, "out")
    )


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
