"""The audit's rows by name; a row's module is imported when the row runs, not before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Protocol

from fedgin.audit.row import AuditRow
from fedgin.config import nearest
from fedgin.errors import ConfigError, Problem


class RowFunction(Protocol):
    """What the module of a row calls `run`."""

    def __call__(self, *, folder: Path, seed: int) -> AuditRow:
        """Runs the attack.

        Args:
            folder: An empty folder for whatever the row writes.
            seed: Seed of all the row's draws.
        """
        ...


# In the order of the table.
ROWS: Mapping[str, Callable[[], ModuleType]] = MappingProxyType(
    {
        "inversion": lambda: import_module("fedgin.audit.inversion"),
        "membership": lambda: import_module("fedgin.audit.membership"),
        "poisoning": lambda: import_module("fedgin.audit.poisoning"),
        "backdoor": lambda: import_module("fedgin.audit.backdoor"),
        "hostile_headers": lambda: import_module("fedgin.audit.hostile_headers"),
        "path_table": lambda: import_module("fedgin.audit.path_table"),
        "canaries": lambda: import_module("fedgin.audit.canaries"),
        "utility": lambda: import_module("fedgin.audit.utility"),
    }
)


def load_row(name: str) -> RowFunction:
    """Imports a row.

    Raises:
        KeyError: No row has this name.
    """
    run: RowFunction = ROWS[name]().run
    return run


def choose_rows(names: Iterable[str]) -> tuple[str, ...]:
    """Checks names of rows; none of them means all.

    Returns:
        The names in the order of the table.

    Raises:
        ConfigError: A name is unknown.
    """
    wanted = list(names)
    problems = [
        Problem("--only", "the row must be one of the audit's", f"'{name}'", nearest(name, ROWS))
        for name in wanted
        if name not in ROWS
    ]
    if problems:
        raise ConfigError(problems)
    return tuple(name for name in ROWS if not wanted or name in wanted)
