"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

from fedgin.errors import ConfigError, Problem
from fedgin.overrides import merge, parse_overrides
from fedgin.settings import ResolvedSettings, make_settings
from fedgin.sites.lookup import Site, load_sites

TaskOption = Annotated[str, typer.Option("--task", help="heart or abdomen")]
SitesOption = Annotated[
    str, typer.Option("--sites", help="site names, comma-separated; each has its own YAML file")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value of the training settings, such as augmentation=none"),
]


def settings_from(task: str, overrides: list[str] | None) -> ResolvedSettings:
    """Builds settings from the task and `--set` options."""
    return make_settings(**merge({"task": task}, parse_overrides(overrides or [])))


def sites_from(names: str) -> list[Site]:
    """Reads the files of comma-separated site names."""
    parts = [name.strip() for name in names.split(",") if name.strip()]
    if not parts or len(set(parts)) != len(parts):
        raise ConfigError(
            Problem("--sites", "one or more different site names", f"'{names}'", "name each once")
        )
    return load_sites(parts)
