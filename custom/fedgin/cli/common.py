"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedgin.config import read_mapping
from fedgin.errors import ConfigError, Problem
from fedgin.geometry_settings import lay_over
from fedgin.jobs.carried_plan import find_plan, follow
from fedgin.overrides import parse_overrides
from fedgin.settings import SETTINGS_FILE, ResolvedSettings, make_settings
from fedgin.sites.lookup import Site, load_site, load_site_file, load_sites

TaskOption = Annotated[str, typer.Option("--task", help="heart or abdomen")]
SitesOption = Annotated[
    str, typer.Option("--sites", help="site names, comma-separated; each has its own YAML file")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value of the training settings, such as augmentation=none"),
]


JobOption = Annotated[
    Path | None,
    typer.Option("--job", help="job folder whose training settings are used instead of --task"),
]


def settings_from(
    task: str, overrides: list[str] | None, job: Path | None = None
) -> ResolvedSettings:
    """Builds settings from the task, or a job's own settings, and `--set` options."""
    changes = parse_overrides(overrides or [])
    if job is None:
        return make_settings(**lay_over({"task": task}, changes))
    folder = job / "app/config"
    base = read_mapping(folder / SETTINGS_FILE)
    return make_settings(**follow(base, find_plan(folder, None, settings=base), overrides=changes))


CHECK_HINT = "Whether sides, volumes and copies are right, `fedgin check SITE` judges."
"""Said where volumes were prepared, which does not judge what labels show."""


def sites_from(names: str) -> list[Site]:
    """Reads the files of comma-separated site names."""
    parts = [name.strip() for name in names.split(",") if name.strip()]
    if not parts or len(set(parts)) != len(parts):
        raise ConfigError(
            Problem("--sites", "one or more different site names", f"'{names}'", "name each once")
        )
    return load_sites(parts)


def site_from(text: str) -> Site:
    """Reads a site's file by the site's name, or by the file's path."""
    is_path = "/" in text or text.endswith((".yaml", ".yml"))
    return load_site_file(Path(text)) if is_path else load_site(text)
