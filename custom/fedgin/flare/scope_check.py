"""A job starts only in a scope that its site's privacy.json names, as it stands when it starts.

FLARE 2.9 refuses an unknown scope when a job arrives, by the file as it was when the site started,
and refuses nothing where there is no file. The job's own process reads the file anew: a scope that is
no longer in it, or a file that is gone, would mean no filter at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nvflare.apis.job_def import JobMetaKey

from fedgin.errors import ConfigError, Problem

MEND = "copy privacy.json from site_configs/hospital into the kit's local folder"


def check_scope(job_meta: Mapping[str, Any], privacy_file: Path) -> str:
    """Checks that filters stand ready for a job.

    Args:
        job_meta: The job's meta, whose `scope` names the scope; without it the default one is
            meant.
        privacy_file: The site's privacy.json.

    Returns:
        The name of the scope that applies.

    Raises:
        ConfigError: The file is missing or unreadable, or has no such scope.
    """
    names, default = _scopes(privacy_file)
    wanted = job_meta.get(JobMetaKey.SCOPE.value, "")
    name = default if wanted in ("", None) else wanted
    if not isinstance(name, str) or name not in names:
        raise ConfigError(
            Problem(
                "the job's scope",
                f"it must be one of {', '.join(sorted(names))}, which {privacy_file} names",
                repr(name)[:80],
                "set `scope` in the job's meta.json, or `default_scope` at the site",
            )
        )
    return name


def _scopes(file: Path) -> tuple[set[str], str | None]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        names = {scope["name"] for scope in content["scopes"]}
    except FileNotFoundError:
        raise ConfigError(
            Problem(str(file), "a site must have a privacy policy", "no such file", MEND)
        ) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        found = f"{type(error).__name__} while reading it"
        raise ConfigError(Problem(str(file), "it must list scopes by name", found, MEND)) from None
    if not names:
        raise ConfigError(Problem(str(file), "it must list scopes by name", "none", MEND))
    default = content.get("default_scope")
    return names, default if isinstance(default, str) else None
