"""The noisy answers that a site has given, on its own disk.

Whoever asks again for the same data gets the same answer: new noise each time could be averaged
away. Other data, another task or another policy make a new answer, whose epsilon adds to those
before, since most patients are in both (basic composition).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedgin.documents import parse_json
from fedgin.errors import ConfigError, Problem
from fedgin.files import MIB, read_bounded, write_atomically
from fedgin.fingerprint.document import SiteSummary, read_summary
from fedgin.fingerprint.release import Policy
from fedgin.privacy.budget import BudgetSpentError, locked
from fedgin.sites.folders import own_state_folder
from fedgin.sites.lookup import Site

FOLDER, SUFFIX = "fingerprints", ".answer.json"
EPSILON, ANSWER = "epsilon", "answer"
_LOCK = "lock"


class AnswerStore:
    """A folder of answers, one file each."""

    def __init__(self, folder: Path) -> None:
        """Names the folder, which must outlive the runs; it is made where it is missing."""
        self._folder = folder

    def spent(self) -> float:
        """Returns the sum of all answers' epsilons.

        Raises:
            ConfigError: A file is damaged, so that nobody knows.
        """
        files = sorted(self._folder.glob(f"*{SUFFIX}"))
        return math.fsum(_read(file)[EPSILON] for file in files)

    def answer(
        self,
        content: str,
        *,
        policy: Policy,
        limit: float | None,
        make: Callable[[], SiteSummary],
    ) -> SiteSummary:
        """Returns the answer given before, or makes one, pays for it and keeps it.

        Args:
            content: Hash of what is counted.
            policy: The site's policy, with an epsilon.
            limit: Epsilon that all answers together may cost; None is no limit.
            make: Makes the answer, with new noise.

        Raises:
            BudgetSpentError: One more would cost more than the limit.
            ConfigError: A file is damaged.
            OSError: The answer cannot be kept: then it may not leave.
        """
        text = json.dumps([content, policy.smallest_count, policy.epsilon])
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        file = self._folder / f"{name}{SUFFIX}"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self._folder / _LOCK):
            if os.path.lexists(file):  # a link that leads nowhere is no fresh start
                return _answer(file)
            needed = self.spent() + (policy.epsilon or 0.0)
            if limit is not None and not needed <= limit:
                raise BudgetSpentError(
                    f"one more fingerprint needs epsilon {needed:.4g} in all; "
                    f"fingerprint.epsilon_all_runs is {limit:.4g}"
                )
            summary = make()
            content_of_file = {EPSILON: policy.epsilon, ANSWER: summary.message()}
            write_atomically(file, json.dumps(content_of_file).encode())
        return summary


def answer_store(site: Site) -> AnswerStore:
    """Returns a site's store: beside its runs' states, or in the user's own folder for state."""
    root = site.config.state.folder
    folder = own_state_folder() if root is None else Path(root)
    return AnswerStore(folder / site.name / FOLDER)


def _answer(file: Path) -> SiteSummary:
    try:
        return read_summary(_read(file)[ANSWER])
    except ValueError as error:
        raise _damaged(file, error) from None


def _read(file: Path) -> dict[str, Any]:
    """Reads what an answer cost, whatever version of the bins it was of, and the answer."""
    try:
        content = parse_json(read_bounded(file, limit=4 * MIB))
        if not isinstance(content, dict) or set(content) != {EPSILON, ANSWER}:
            raise ValueError("not an answer with its epsilon")
        epsilon = content[EPSILON]
        if type(epsilon) not in (int, float) or not epsilon > 0:
            raise ValueError("an epsilon that is none")
    except (OSError, ValueError) as error:
        raise _damaged(file, error) from None
    return content


def _damaged(file: Path, error: Exception) -> ConfigError:
    return ConfigError(
        Problem(
            str(file),
            "it must hold an answer that was given, and its epsilon",
            str(error)[:200],
            "restore it from a copy; without it nobody knows what noisy fingerprints have cost",
        )
    )
