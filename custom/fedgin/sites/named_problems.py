"""Whose problem it is, where one command reads several sites."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from fedgin.errors import Problem
from fedgin.sites.lookup import Site


def name_site(problems: Sequence[Problem], site: Site) -> list[Problem]:
    """Puts a site's name before what a problem names, unless that is the site's own file."""
    return [
        problem
        if problem.where.startswith(str(site.path))
        else dataclasses.replace(problem, where=f"site {site.name}: {problem.where}")
        for problem in problems
    ]
