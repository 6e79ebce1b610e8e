"""What a site's private training has cost so far, on disk beside the state between rounds."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fedgin.documents import parse_json
from fedgin.dp_sgd_settings import DpSgdSettings
from fedgin.errors import FedginError, Problem
from fedgin.files import write_atomically
from fedgin.privacy.sgd_accounting import SgdSteps, sgd_epsilon

logger = logging.getLogger(__name__)

ACCOUNT_FILE = "dp_sgd.json"


class PrivacyBudgetError(FedginError):
    """A round would cost more privacy than the budget has left."""


@dataclass(frozen=True)
class PrivacySpent:
    """What training has cost.

    Attributes:
        epsilon: For data sets that differ by one unit more or less.
        delta: At this delta.
        unit: `slice` or `patient`.
        rounds: Rounds that were counted.
    """

    epsilon: float
    delta: float
    unit: str
    rounds: int


class SgdAccount:
    """The rounds that a site has trained in one run.

    Every round that was trained counts, a repeated one again: its noise was new, and both results
    may have been seen. The file only grows, where the states between rounds follow the server back.
    Where it is missing or knows fewer rounds than the server (the run goes on in another folder, or
    the site joined late) the rounds before are counted as if the site had trained them all.
    """

    def __init__(self, folder: Path, settings: DpSgdSettings) -> None:
        """Opens the account.

        Args:
            folder: The site's state folder; it need not exist.
            settings: The run's settings of private training.
        """
        self._file = folder / ACCOUNT_FILE
        self._settings = settings

    def check(self, *, round_number: int, steps: int) -> None:
        """Checks that a round of so many steps stays within the budget.

        Raises:
            PrivacyBudgetError: It does not; nothing is counted.
        """
        rounds, before = self._before(round_number, steps)
        if rounds > (known := self._read()[0]):
            logger.warning(
                "%s knows %d of %d earlier rounds: the others are counted as trained",
                self._file,
                known,
                rounds,
            )
        budget = self._settings.epsilon_budget
        if budget is None:
            return
        after = self._epsilon(_joined(before, self._steps(steps)))
        if after > budget:
            raise PrivacyBudgetError(
                Problem(
                    f"round {round_number}",
                    f"dp_sgd.epsilon_budget is {budget:g}",
                    f"epsilon {self._epsilon(before):.4g} so far, {after:.4g} with this round",
                    "the site has given what was agreed: take the model as it is, or agree on a "
                    "larger budget or more noise for a new run",
                )
            )

    def spend(self, *, round_number: int, steps: int) -> PrivacySpent:
        """Counts a round; called before anything of it leaves or is kept.

        Returns:
            What training has cost, this round included.
        """
        rounds, before = self._before(round_number, steps)
        entries = _joined(before, self._steps(steps))
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = {"rounds": rounds + 1, "spent": [asdict(entry) for entry in entries]}
        write_atomically(self._file, json.dumps(content, indent=1).encode())
        spent = PrivacySpent(
            epsilon=self._epsilon(entries),
            delta=self._settings.delta,
            unit=self._settings.unit,
            rounds=rounds + 1,
        )
        logger.info(
            "DP-SGD after %d rounds: epsilon %.4g at delta %g for one %s",
            spent.rounds,
            spent.epsilon,
            spent.delta,
            spent.unit,
        )
        return spent

    def _epsilon(self, entries: list[SgdSteps]) -> float:
        return sgd_epsilon(entries, delta=self._settings.delta)

    def _steps(self, number: int) -> SgdSteps:
        return SgdSteps(
            noise_multiplier=self._settings.noise_multiplier,
            sampling_rate=self._settings.sampling_rate,
            steps=number,
        )

    def _before(self, round_number: int, steps: int) -> tuple[int, list[SgdSteps]]:
        """Returns the rounds to count before one, and what they cost."""
        rounds, entries = self._read()
        missing = max(0, round_number - rounds)
        return rounds + missing, _joined(entries, self._steps(steps * missing))

    def _read(self) -> tuple[int, list[SgdSteps]]:
        if not self._file.is_file():
            return 0, []
        content = parse_json(self._file.read_text())
        return int(content["rounds"]), [SgdSteps(**entry) for entry in content["spent"]]


def _joined(entries: list[SgdSteps], more: SgdSteps) -> list[SgdSteps]:
    """Adds steps to a list, to its last entry where they are of the same kind."""
    if more.steps == 0:
        return entries
    if entries and replace(entries[-1], steps=more.steps) == more:
        return [*entries[:-1], replace(more, steps=entries[-1].steps + more.steps)]
    return [*entries, more]
