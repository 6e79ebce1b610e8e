"""What a federated run left: contributions per round, Dice per site, failures in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fedgin.engine.averaging import partial_selection_score, selection_score
from fedgin.metrics.summary import checked_summary

NAN = float("nan")
MOST_CLASSES = 1000


@dataclass
class SiteMetrics:
    """A site's report on one model.

    Attributes:
        modality: "CT" or "MR".
        validation: `dice`, `per_class` and `cases` on validation patients, or None.
        test: The same on test patients, or None.
        not_annotated: Classes of the task that the site does not annotate, which have no values.
    """

    modality: str
    validation: Mapping[str, Any] | None = None
    test: Mapping[str, Any] | None = None
    not_annotated: tuple[str, ...] = ()

    @classmethod
    def from_message(cls, message: Any) -> SiteMetrics:
        """Reads what a site sent.

        Raises:
            ValueError: It is not of the form that sites send.
        """
        if not isinstance(message, Mapping) or message.get("modality") not in ("CT", "MR"):
            raise ValueError("metrics must name the modality CT or MR")
        parts = {name: _checked(message.get(name)) for name in ("validation", "test")}
        lacking = _names(message.get("not_annotated", ()))
        for part in parts.values():
            if told := [n for n in lacking if part and part["per_class"].get(n) is not None]:
                raise ValueError(f"a class that is not annotated has no Dice; {told[0]!r:.40} has")
        return cls(modality=message["modality"], not_annotated=lacking, **parts)


def _names(values: Any) -> tuple[str, ...]:
    if not isinstance(values, (list, tuple)) or not all(isinstance(v, str) for v in values):
        raise ValueError("'not_annotated' must be a list of classes")
    if len(values) > MOST_CLASSES:
        raise ValueError(f"'not_annotated' lists {len(values)} classes")
    return tuple(values)


def _checked(part: Any) -> Mapping[str, Any] | None:
    if part is None:
        return None
    if not isinstance(part, Mapping) or not isinstance(part.get("per_class"), Mapping):
        raise ValueError("metrics need 'dice' and 'per_class'")
    if not all(isinstance(name, str) for name in part["per_class"]):
        raise ValueError("metrics must name each class in 'per_class'")
    cases = part.get("cases", 0)
    if not isinstance(cases, int) or cases < 0:
        raise ValueError(f"metrics must count 'cases'; found {cases!r}")
    for value in (part.get("dice"), *part["per_class"].values()):
        if value is not None and not (isinstance(value, (int, float)) and 0 <= value <= 1):
            raise ValueError(f"Dice must be in [0, 1]; found {value!r}")
    if "summary" in part:
        _check_summaries(part["summary"], part["per_class"])
    return part


def _check_summaries(summaries: Any, classes: Mapping[str, Any]) -> None:
    if not isinstance(summaries, Mapping) or set(summaries) != set(classes):
        raise ValueError("'summary' must hold the classes of 'per_class'")
    for by_metric in summaries.values():
        if not isinstance(by_metric, Mapping):
            raise ValueError("'summary' must hold metrics by class")
        for metric, summary in by_metric.items():
            checked_summary(summary, metric=metric)


def dice_of(part: Mapping[str, Any] | None, class_name: str | None = None) -> float:
    """Returns the mean Dice, or that of one class; nan where it is not known."""
    if part is None:
        return NAN
    value = part.get("dice") if class_name is None else part["per_class"].get(class_name)
    return NAN if value is None else float(value)


def score_of(reports: Mapping[str, SiteMetrics], part: str = "validation") -> float:
    """Scores a model: the mean over modalities of the mean over sites; nan where unknown.

    Where a site does not annotate all classes, means over classes stand between; see
    `fedgin.engine.averaging.partial_selection_score`.
    """
    if any(report.not_annotated for report in reports.values()):
        return partial_selection_score(
            {site: _by_class(report, part) for site, report in reports.items()},
            {site: report.modality for site, report in reports.items()},
        )
    return selection_score(
        {site: dice_of(getattr(report, part)) for site, report in reports.items()},
        {site: report.modality for site, report in reports.items()},
    )


def _by_class(report: SiteMetrics, part: str) -> dict[str, float]:
    """Returns a site's Dice by class; its mean for each where it withholds them all."""
    found = getattr(report, part)
    if found is None:
        return {}
    told = {name: dice_of(found, name) for name in found["per_class"]}
    if all(math.isnan(value) for value in told.values()):
        return {n: dice_of(found) for n in told if n not in report.not_annotated}
    return told


@dataclass
class RunRecord:
    """All that a run's report is made from.

    Attributes:
        title: Name of the run.
        planned_rounds: Rounds that the job asked for.
        first_round: Number of the first round.
        finished_rounds: Rounds that ended with an aggregation.
        sites: Names of the sites that should take part.
        contributions: By round the sites whose update was accepted.
        validation: By number of finished rounds and site, the report on the global model then.
        final: By model name and site, the report of cross-site evaluation.
        best_round: Rounds after which the global model scored best, if it was ever scored.
        best_score: Its score.
        training_slices: By site the slices that it trained on in its last accepted round.
        started_from: Hash of the released model that the run started from, if any.
        released: Hash of the model that the run released, once it has.
        receipts: By site the hash of the model that it stored at the end.
        problems: Failures in words, besides those that the record itself shows.
        files: Paths worth knowing, by description.
        modalities: By site its modality, as it said at first contact.
        started: By round the sites that took its task.
        refused: By round and site why its answer was refused.
        late: By round and site what came of an answer that missed the round's end.
        shares: By round and site its share in the average.
        norms: By round and site the norms of its update, by group of arrays.
        aggregation: How updates became one, in words.
        privacy: By round and site the epsilon and delta that it says its updates so far have cost.
        not_annotated: By site that was heard the classes that it says it does not annotate.
    """

    title: str = "federated run"
    planned_rounds: int = 0
    first_round: int = 0
    finished_rounds: int = 0
    sites: list[str] = field(default_factory=list)
    contributions: dict[int, list[str]] = field(default_factory=dict)
    validation: dict[int, dict[str, SiteMetrics]] = field(default_factory=dict)
    final: dict[str, dict[str, SiteMetrics]] = field(default_factory=dict)
    best_round: int | None = None
    best_score: float | None = None
    training_slices: dict[str, int] = field(default_factory=dict)
    started_from: str | None = None
    released: str | None = None
    receipts: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    modalities: dict[str, str] = field(default_factory=dict)
    started: dict[int, list[str]] = field(default_factory=dict)
    refused: dict[int, dict[str, str]] = field(default_factory=dict)
    late: dict[int, dict[str, str]] = field(default_factory=dict)
    shares: dict[int, dict[str, float]] = field(default_factory=dict)
    norms: dict[int, dict[str, dict[str, float]]] = field(default_factory=dict)
    aggregation: str = ""
    privacy: dict[int, dict[str, list[float]]] = field(default_factory=dict)
    not_annotated: dict[str, list[str]] = field(default_factory=dict)

    def pin_modality(self, site: str, modality: str) -> None:
        """Keeps the modality that a site first names, for the life of the run.

        Raises:
            ValueError: The site named another one before.
        """
        pinned = self.modalities.setdefault(site, modality)
        if pinned != modality:
            raise ValueError(f"{site} says {modality}, but said {pinned} at first contact")

    def class_names(self) -> list[str]:
        """Returns the classes of the run, as the sites' reports list them."""
        reports = [
            r for found in (*self.validation.values(), *self.final.values()) for r in found.values()
        ]
        parts = [part for r in reports for part in (r.validation, r.test) if part]
        return list(dict.fromkeys(name for part in parts for name in part["per_class"]))

    def modality_of(self, site: str) -> str:
        """Returns a site's modality, or "?" where it never reported one."""
        if site in self.modalities:
            return self.modalities[site]
        for reports in (*self.validation.values(), *self.final.values()):
            if site in reports:
                return reports[site].modality
        return "?"

    def score(self, reports: Mapping[str, SiteMetrics], part: str = "validation") -> float:
        """Returns the mean over modalities of the mean over sites."""
        return score_of(reports, part)

    def refusals(self) -> list[str]:
        """Says in words which answers the server refused, and why."""
        return [
            f"round {number + 1}: {reason}"
            for number, by_site in sorted(self.refused.items())
            for _, reason in sorted(by_site.items())
        ]

    def privacy_losses(self) -> dict[str, list[float]]:
        """Returns the last epsilon and delta of each site that named any."""
        return {
            site: loss
            for number in sorted(self.privacy)
            for site, loss in self.privacy[number].items()
        }

    def failures(self) -> list[str]:
        """Says in words what went wrong; empty where every site did its part in every round."""
        found = list(self.problems)
        if not self.sites:
            found.append("no site took part")
        for number in range(self.first_round, self.first_round + self.planned_rounds):
            given = self.contributions.get(number, [])
            if missed := [site for site in self.sites if site not in given]:
                found.append(f"round {number + 1}: no contribution from {', '.join(missed)}")
        if self.finished_rounds < self.planned_rounds:
            found.append(
                f"{self.finished_rounds} of {self.planned_rounds} rounds ended with an aggregation"
            )
        if not self.final:
            found.append("no final model was evaluated")
        for model, reports in self.final.items():
            if missed := [site for site in self.sites if site not in reports]:
                found.append(f"{model} model: no evaluation by {', '.join(missed)}")
        return found + self._undelivered()

    def _undelivered(self) -> list[str]:
        if self.released is None:
            return []
        found = []
        if missed := [site for site in self.sites if site not in self.receipts]:
            found.append(f"released model: no receipt from {', '.join(missed)}")
        found += [
            f"released model: {site} stored another file, hash {stored[:16]}"
            for site, stored in sorted(self.receipts.items())
            if stored != self.released
        ]
        return found
