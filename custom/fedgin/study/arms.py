"""What is compared with what: the arms of a study and the patients that each is tested on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fedgin.errors import ConfigError, Problem
from fedgin.study.rows import ALGORITHMS, AUGMENTATIONS, REGIMES, Row

MAIN_ALGORITHMS = ("", "fedavg")


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        regime: See `fedgin.study.rows.REGIMES`.
        algorithm: Federated algorithm; empty where the regime does not federate.
    """

    regime: str
    algorithm: str

    @property
    def label(self) -> str:
        """The regime's name, with the algorithm where it is not plain averaging."""
        if self.algorithm in MAIN_ALGORITHMS:
            return self.regime
        return f"{self.regime} ({self.algorithm})"

    @property
    def rank(self) -> tuple[int, int]:
        """Place in the order of presentation."""
        return REGIMES.index(self.regime), ALGORITHMS.index(self.algorithm)


@dataclass(frozen=True)
class Population:
    """Test patients, as a model's training sites see them.

    Attributes:
        name: What a reader is told.
        places: Any of "own" (a site that trained the model), "other" (a site of the study
            federation that did not) and "unseen" (a hospital that never trains).
        crossing: True for patients of a modality that the model was not trained on, False for the
            others, None for all.
    """

    name: str
    places: tuple[str, ...]
    crossing: bool | None = None

    def holds(self, *, place: str, crossing: bool) -> bool:
        """Says whether a measurement belongs to it."""
        return place in self.places and self.crossing in (None, crossing)


# By regime: first the seen test site that the regime is judged by, then the unseen one, then what
# completes the picture.
POPULATIONS: Mapping[str, tuple[Population, ...]] = MappingProxyType(
    {
        "local": (
            Population("training sites, other modality", ("other",), crossing=True),
            Population("unseen hospitals, other modality", ("unseen",), crossing=True),
            Population("own site", ("own",)),
            Population("other training site, same modality", ("other",), crossing=False),
            Population("unseen hospitals, same modality", ("unseen",), crossing=False),
        ),
        "centralized": (
            Population("training sites", ("own", "other")),
            Population("unseen hospitals", ("unseen",)),
        ),
        "federated": (
            Population("training sites", ("own", "other")),
            Population("unseen hospitals", ("unseen",)),
        ),
        "leave-one-site-out": (
            Population("left-out site", ("other",)),
            Population("unseen hospitals", ("unseen",)),
            Population("training sites", ("own",)),
        ),
        "leave-one-modality-out": (
            Population("left-out modality", ("other",), crossing=True),
            Population("unseen hospitals, left-out modality", ("unseen",), crossing=True),
            Population("training sites", ("own",)),
            Population("unseen hospitals, same modality", ("unseen",), crossing=False),
        ),
        "fine-tuned": (
            Population("own site", ("own",)),
            Population("unseen hospitals", ("unseen",)),
            Population("other training sites", ("other",)),
        ),
    }
)


def judged_populations(regime: str) -> tuple[Population, Population]:
    """Returns the seen and the unseen population that a regime is judged by."""
    seen, unseen, *_ = POPULATIONS[regime]
    return seen, unseen


class Measurements:
    """A study's rows, found by arm, augmentation, metric and population."""

    def __init__(self, rows: Sequence[Row], record: Mapping[str, Any]) -> None:
        """Sorts the rows.

        Args:
            rows: The study's rows.
            record: The study's record; its `sites` name every site of the rows.

        Raises:
            ConfigError: The rows name a site that the record does not list.
        """
        self.rows = tuple(rows)
        self.modality: dict[str, str] = {s["name"]: s["modality"] for s in record["sites"]}
        self._check_sites()
        self._found: dict[tuple[Arm, str, str, str], list[Row]] = defaultdict(list)
        for row in self.rows:
            place, crossing = self.place(row), self.crossing(row)
            arm = Arm(row.regime, row.algorithm)
            for population in POPULATIONS[row.regime]:
                if population.holds(place=place, crossing=crossing):
                    key = (arm, row.augmentation, row.metric, population.name)
                    self._found[key].append(row)

    def place(self, row: Row) -> str:
        """Says where a row's patient is from: "own", "other" or "unseen", see `Population`."""
        if row.role == "unseen":
            return "unseen"
        return "own" if row.test_site in row.trained_on else "other"

    def train_modality(self, row: Row) -> str:
        """Returns the modality that trained a row's model, "CT+MR" for both."""
        return "+".join(sorted({self.modality[site] for site in row.trained_on}))

    def crossing(self, row: Row) -> bool:
        """Says whether the model never saw the modality of a row's patient."""
        return row.modality not in {self.modality[site] for site in row.trained_on}

    def arms(self) -> list[Arm]:
        """Lists the arms that have rows, in the order of presentation."""
        return sorted({arm for arm, *_ in self._found}, key=lambda arm: arm.rank)

    def augmentations(self, arm: Arm | None = None) -> list[str]:
        """Lists the augmentations of an arm, or of all, in the order of presentation."""
        found = {name for other, name, *_ in self._found if arm in (None, other)}
        return sorted(found, key=AUGMENTATIONS.index)

    def select(
        self,
        arm: Arm,
        augmentation: str,
        *,
        population: str,
        metric: str = "dice",
        modality: str | None = None,
        class_name: str | None = None,
    ) -> list[Row]:
        """Returns the rows of one arm, augmentation, population and metric.

        Args:
            arm: The way to train.
            augmentation: Its augmentation.
            population: Name of one of the regime's populations.
            metric: The metric.
            modality: Only test patients of this modality.
            class_name: Only this structure.
        """
        return [
            row
            for row in self._found.get((arm, augmentation, metric, population), ())
            if modality in (None, row.modality) and class_name in (None, row.class_name)
        ]

    def _check_sites(self) -> None:
        named = {site for row in self.rows for site in (*row.trained_on, row.test_site)}
        if unknown := sorted(named - set(self.modality)):
            raise ConfigError(
                Problem(
                    "the study's rows",
                    "every site is listed in the study's record",
                    ", ".join(unknown),
                    "keep results.csv and results.json of one study together",
                )
            )
