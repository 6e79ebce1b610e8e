"""The class allow-list of a site that keeps bring-your-own-code closed."""

from __future__ import annotations

from collections.abc import Iterable

from nvflare.app_common.default_component_policy import DEFAULT_CLASS_ALLOW_LIST


def full_allow_list(classes: Iterable[str]) -> list[str]:
    """Adds a job's classes to FLARE's default list, which a site's own list would replace.

    Args:
        classes: Full names of the classes that the job's configurations name.
    """
    return sorted({*DEFAULT_CLASS_ALLOW_LIST, *classes})
