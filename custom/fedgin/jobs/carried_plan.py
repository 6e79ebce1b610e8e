"""A plan that a training job carries and follows."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedgin.errors import ConfigError, Problem
from fedgin.files import SHARED, write_atomically
from fedgin.fingerprint.plan import PLAN_FILE, Plan, pin_plan, read_plan
from fedgin.geometry_settings import lay_over

logger = logging.getLogger(__name__)


def find_plan(config: Path, file: Path | None, *, settings: Mapping[str, Any]) -> Plan | None:
    """Reads the plan that a job shall carry: the one named, or the one that it carries already.

    Args:
        config: The `config` folder of the job that is exported.
        file: A plan's file.
        settings: The job's own settings.

    Raises:
        ConfigError: The plan is missing or breaks the schema.
    """
    carried = config / PLAN_FILE
    if file is None and not carried.is_file() and not settings.get("plan"):
        return None
    return read_plan(carried if file is None else file)


def follow(
    settings: Mapping[str, Any], plan: Plan | None, *, overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """Lays a plan over a job's settings, and says where `--set` departs from it.

    Raises:
        ConfigError: The plan is of another task or dimension.
    """
    if plan is None:
        return lay_over(settings, overrides)
    pinned = pin_plan(settings, plan, overrides=overrides)
    planned = plan.settings()
    for key in pinned["plan"]["changed"]:
        logger.warning(
            "%s is %s, where the plan %s has %s",
            key,
            json.dumps(pinned.get(key)),
            plan.sha256()[:16],
            json.dumps(planned.get(key)),
        )
    return pinned


def carry_plan(plan: Plan, config: Path) -> None:
    """Writes a plan into a job's `config` folder."""
    write_atomically(config / PLAN_FILE, plan.to_text().encode(), mode=SHARED)


def refuse_extras(job: Path, *, reason: str, extras: Mapping[str, Path | None]) -> None:
    """Refuses what a job of this kind cannot carry.

    Args:
        job: The job.
        reason: The rule.
        extras: Files by the option that names them.

    Raises:
        ConfigError: One of them was named.
    """
    problems = [
        Problem(option, reason, str(file), f"leave it out, or export another job than {job}")
        for option, file in extras.items()
        if file is not None
    ]
    if problems:
        raise ConfigError(problems)
