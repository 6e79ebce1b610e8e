"""Which classes the sites of a federation annotate between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedgin.errors import ConfigError, Problem


def nobody_annotates(
    class_names: Sequence[str], not_annotated: Mapping[str, Sequence[str]]
) -> list[str]:
    """Returns the classes that every site leaves out.

    Args:
        class_names: The classes of the run.
        not_annotated: By site the classes that it does not annotate.
    """
    return [
        name
        for name in class_names
        if not_annotated and all(name in lacking for lacking in not_annotated.values())
    ]


def nobody_annotates_problem(missing: Sequence[str], class_names: Sequence[str]) -> Problem:
    """Says that nobody annotates classes of a run, and what to do."""
    left = [name for name in class_names if name not in missing]
    return Problem(
        "key 'classes'",
        "every class of a run must be annotated by a site that trains",
        f"no site annotates {', '.join(missing)}",
        f"leave them out by --set 'classes={_listed(left)}', or add a site that has them",
    )


def check_annotated(class_names: Sequence[str], not_annotated: Mapping[str, Sequence[str]]) -> None:
    """Checks that each class of a run is annotated by some site.

    Args:
        class_names: The classes of the run.
        not_annotated: By site that trains the classes that it does not annotate.

    Raises:
        ConfigError: Some class is annotated by none.
    """
    if missing := nobody_annotates(class_names, not_annotated):
        raise ConfigError(nobody_annotates_problem(missing, class_names))


def _listed(names: Sequence[str]) -> str:
    return "[" + ",".join(f'"{name}"' for name in names) + "]"
