"""The apps of a job, as FLARE will deploy them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedgin.approval.app_hash import app_hash
from fedgin.config import read_mapping
from fedgin.documents import parse_json
from fedgin.errors import ApprovalError, Problem

EVERYBODY = "@ALL"


@dataclass(frozen=True)
class JobApp:
    """One app of a job.

    Attributes:
        name: Its folder in the job.
        sites: Who gets it; `@ALL` is everybody, the server too.
        sha256: Its hash. The server renames the folder on the way and changes nothing in it.
        rewritten: Files that `nvflare job submit` rewrites before it sends them, which changes the
            hash; FLARE's console and API send them as they are. Jobs that `fedgin job export` made
            have none.
    """

    name: str
    sites: tuple[str, ...]
    sha256: str
    rewritten: tuple[str, ...] = ()


def job_apps(job: Path) -> list[JobApp]:
    """Hashes the apps of a job folder.

    Args:
        job: Folder with meta.json and the apps that its `deploy_map` names.

    Raises:
        ConfigError: The folder is no job.
        ApprovalError: An app is missing, or holds what is neither file nor folder.
    """
    meta = job / "meta.json"
    deploy_map = read_mapping(meta).get("deploy_map")
    if not isinstance(deploy_map, dict) or not deploy_map:
        raise ApprovalError(_unfit(meta, repr(deploy_map)))
    return [
        JobApp(
            name,
            tuple(_sites(meta, sites)),
            app_hash(_app(job, name)),
            tuple(_rewritten(job / name)),
        )
        for name, sites in deploy_map.items()
    ]


def app_for_site(apps: list[JobApp], site: str | None) -> JobApp:
    """Chooses the app that a site gets.

    Args:
        apps: Those of a job.
        site: Name of the site; may be left out where the job has one app.

    Raises:
        ApprovalError: No app, or more than one, is meant.
    """
    meant = [app for app in apps if site is None or {site, EVERYBODY} & set(app.sites)]
    if len(meant) != 1:
        listed = "; ".join(f"{app.name} for {', '.join(app.sites)}" for app in apps)
        raise ApprovalError(
            Problem(
                "--site" if site is None else f"--site {site}",
                "exactly one of the job's apps must be meant",
                f"{len(meant)} of these: {listed}",
                "name a site that the job's deploy_map has",
            )
        )
    return meant[0]


def _app(job: Path, name: str) -> Path:
    if name in ("", "..") or Path(name).name != name:
        raise ApprovalError(_unfit(job / "meta.json", f"an app named {name!r}"))
    return job / name


def _rewritten(app: Path) -> Iterator[str]:
    for file in sorted(app.glob("config/config_fed_*")):
        text = file.read_text(encoding="utf-8", errors="replace")
        try:
            submitted = json.dumps(parse_json(text), indent=2) + "\n"
        except (ValueError, RecursionError):
            submitted = ""  # not JSON: FLARE has other formats, and writes them in its own way
        if text != submitted:
            yield file.relative_to(app).as_posix()


def _sites(meta: Path, value: Any) -> Iterator[str]:
    """Reads FLARE's forms: a name, a list of names, or a mapping with `sites` or `targets`."""
    if isinstance(value, str):
        yield EVERYBODY if value.upper() == EVERYBODY else value
    elif isinstance(value, list):
        for item in value:
            yield from _sites(meta, item)
    elif isinstance(value, dict) and len(value) == 1 and value.keys() <= {"sites", "targets"}:
        yield from _sites(meta, next(iter(value.values())))
    else:
        raise ApprovalError(_unfit(meta, f"sites {value!r}"))


def _unfit(meta: Path, found: str) -> Problem:
    return Problem(
        f"{meta}: key 'deploy_map'",
        "a job's deploy_map names folders of the job and who gets them",
        found,
        'write "deploy_map": {"app": ["@ALL"]}',
    )
