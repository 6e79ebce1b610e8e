"""What a run has spent of its privacy budget at a site, on the site's own disk.

A release is charged before it is made: a process that dies in between has paid for nothing, and
none is ever forgotten. A round that is sent again counts again, since it has new noise.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fedgin.documents import parse_json
from fedgin.errors import ConfigError, Problem
from fedgin.files import read_bounded, write_atomically
from fedgin.privacy.accounting import epsilon_of_loss, loss_of_release

LARGEST_FILE = 4096
SUFFIX = ".budget.json"
_LOCK = "lock"


@dataclass(frozen=True)
class Spent:
    """What releases have cost so far.

    Attributes:
        releases: Their number.
        loss: Sum of `loss_of_release` over them.
    """

    releases: int
    loss: float

    def after(self, noise_multiplier: float) -> Spent:
        """Adds one release."""
        return Spent(self.releases + 1, self.loss + loss_of_release(noise_multiplier))

    def epsilon(self, *, delta: float) -> float:
        """Returns the epsilon; see `fedgin.privacy.accounting.epsilon_of_loss`."""
        return epsilon_of_loss(self.loss, delta=delta)


class BudgetSpentError(Exception):
    """One more release would exceed a budget; nothing was charged."""


class PrivacyBudget:
    """The spent budgets of a site's runs, a file for each.

    A run is what a job and the jobs that resume it have in common: its lineage.
    """

    def __init__(self, folder: Path) -> None:
        """Names the folder; it is made where it is missing and must outlive the runs' own."""
        self._folder = folder

    def spent(self, run: str) -> Spent:
        """Returns what a run has spent.

        Raises:
            ConfigError: The run's file is damaged, so that nobody knows.
        """
        return _read(self._file(run))

    def spent_by_all(self) -> Spent:
        """Returns what all runs together have spent at this site.

        Raises:
            ConfigError: A file is damaged.
        """
        parts = [_read(file) for file in sorted(self._folder.glob(f"*{SUFFIX}"))]
        return Spent(sum(p.releases for p in parts), math.fsum(p.loss for p in parts))

    def charge(
        self,
        run: str,
        *,
        noise_multiplier: float,
        delta: float,
        epsilon: float,
        epsilon_of_all: float | None = None,
    ) -> Spent:
        """Pays for one release, on disk when this returns.

        Args:
            run: Name of the run.
            noise_multiplier: The release's noise over its sensitivity, above 0.
            delta: The delta of both budgets, in (0, 1).
            epsilon: The run's budget, above 0.
            epsilon_of_all: Budget of all runs together; None is no limit. Whoever starts runs can
                start another one, so that a run's budget alone does not bound what he learns.

        Returns:
            What the run has spent, this release included.

        Raises:
            BudgetSpentError: A budget does not allow it; it names both numbers.
            ConfigError: A file is damaged.
            OSError: The charge cannot be written: then nothing may be released.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self._folder / _LOCK):
            after = self.spent(run).after(noise_multiplier)
            _check(after.epsilon(delta=delta), epsilon, "this run")
            if epsilon_of_all is not None:
                of_all = self.spent_by_all().after(noise_multiplier)
                _check(of_all.epsilon(delta=delta), epsilon_of_all, "all runs")
            content = {"run": run, "releases": after.releases, "loss": after.loss}
            write_atomically(self._file(run), json.dumps(content).encode())
        return after

    def _file(self, run: str) -> Path:
        """Names the file by a hash, since the run's name comes from elsewhere."""
        return self._folder / f"{hashlib.sha256(run.encode()).hexdigest()[:32]}{SUFFIX}"


def _check(needed: float, budget: float, whose: str) -> None:
    if not needed <= budget:
        raise BudgetSpentError(
            f"one more release needs epsilon {needed:.4g} for {whose}; the budget is {budget:.4g}"
        )


def _read(file: Path) -> Spent:
    if not os.path.lexists(file):  # a link that leads nowhere is no fresh budget
        return Spent(0, 0.0)
    try:
        content = parse_json(read_bounded(file, limit=LARGEST_FILE))
        spent = Spent(int(content["releases"]), float(content["loss"]))
        if spent.releases < 1 or not (spent.loss > 0 and math.isfinite(spent.loss)):
            raise ValueError
    except (OSError, ValueError, TypeError, KeyError):
        raise ConfigError(
            Problem(
                str(file),
                "it must say what a run has spent",
                "a damaged file",
                "restore it from a copy; without it no update of the run may leave",
            )
        ) from None
    return spent


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keeps other processes out of what a lock file stands for."""
    with file.open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
