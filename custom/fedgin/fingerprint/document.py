"""What a site sends, rebuilt number by number, and the sums that are made of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedgin.fingerprint.bins import bins_of, bins_version
from fedgin.fingerprint.memory_class import MEMORY_CLASSES
from fedgin.tasks import TASKS

FORMAT = 1
SENT, TOO_FEW = "sent", "too few"
MODALITIES = ("CT", "MR")
LARGEST_COUNT = 10**12
_KEYS = {"format", "bins", "task", "status", "smallest_count", "epsilon", "memory", "modalities"}
_VERSION = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ModalityCounts:
    """Counts of one modality, of a site or of all.

    Attributes:
        cases: Number of cases.
        histograms: Counts by quantity; see `bins.bins_of`.
    """

    cases: int
    histograms: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class SiteSummary:
    """A site's answer.

    Attributes:
        task: Name of the task.
        status: `sent`; or `too few`, where there are too few patients for the site's own limit and
            nothing of them is told.
        smallest_count: Patients that a count stands on at least; 1 is no limit.
        epsilon: Privacy loss of the counts for one patient; None without noise.
        memory: Class of the site's device; see `memory_class`.
        modalities: Counts by modality.
    """

    task: str
    status: str
    smallest_count: int
    epsilon: float | None
    memory: str
    modalities: Mapping[str, ModalityCounts]

    def message(self) -> dict[str, Any]:
        """Returns the plain values that are sent."""
        return {
            "format": FORMAT,
            "bins": bins_version(),
            "task": self.task,
            "status": self.status,
            "smallest_count": self.smallest_count,
            "epsilon": self.epsilon,
            "memory": self.memory,
            "modalities": {name: counts_message(c) for name, c in self.modalities.items()},
        }


def counts_message(counts: ModalityCounts) -> dict[str, Any]:
    """Returns counts as plain values."""
    histograms = {name: list(numbers) for name, numbers in counts.histograms.items()}
    return {"cases": counts.cases, "histograms": histograms}


def read_summary(message: Any) -> SiteSummary:
    """Rebuilds a site's answer from the words and whole numbers that it may have.

    Args:
        message: What a site would send, or has sent.

    Raises:
        ValueError: There is anything else in it, or something is missing. No value is quoted.
    """
    if type(message) is not dict or any(type(key) is not str for key in message):
        raise ValueError("a fingerprint must be values by name")
    check_version(message)
    if set(message) != _KEYS:
        raise ValueError(f"a fingerprint has the keys {', '.join(sorted(_KEYS))} and no other")
    task = _one_of(message["task"], TASKS, "task")
    status = _one_of(message["status"], (SENT, TOO_FEW), "status")
    modalities = message["modalities"]
    if type(modalities) is not dict or bool(modalities) != (status == SENT):
        raise ValueError("a fingerprint has counts by modality, and none where patients are few")
    return SiteSummary(
        task=task,
        status=status,
        smallest_count=_count(message["smallest_count"]),
        epsilon=_epsilon(message["epsilon"]),
        memory=_one_of(message["memory"], MEMORY_CLASSES, "memory"),
        modalities={
            (known := _one_of(name, MODALITIES, "modality")): read_counts(counts, known, task)
            for name, counts in modalities.items()
        },
    )


def check_version(message: Mapping[str, Any]) -> None:
    """Checks that counts can be added to ours.

    Raises:
        ValueError: They are of another form, or of other bins.
    """
    if type(message.get("format")) is not int or message["format"] != FORMAT:
        raise ValueError(f"a fingerprint must be of format {FORMAT}")
    version, ours = message.get("bins"), bins_version()
    if type(version) is not str or not _VERSION.fullmatch(version):
        raise ValueError("a fingerprint must name its bins by a SHA-256")
    if version != ours:
        raise ValueError(
            f"its bins {version[:16]} are not ours, {ours[:16]}: counts of other bins cannot be "
            "added; use one version of fedgin everywhere"
        )


def read_counts(message: Any, modality: str, task: str) -> ModalityCounts:
    """Rebuilds the counts of a modality; see `read_summary`."""
    if type(message) is not dict or set(message) != {"cases", "histograms"}:
        raise ValueError("counts of a modality are cases and histograms")
    expected = bins_of(modality, TASKS[task])
    histograms = message["histograms"]
    if type(histograms) is not dict or set(histograms) != set(expected):
        raise ValueError("histograms must be those of the task, all of them and no other")
    rebuilt = {}
    for name, bins in expected.items():
        numbers = histograms[name]
        if type(numbers) not in (list, tuple) or len(numbers) != bins.number:
            raise ValueError(f"histogram '{name}' must have {bins.number} counts")
        rebuilt[name] = tuple(_count(number) for number in numbers)
    return ModalityCounts(cases=_count(message["cases"]), histograms=rebuilt)


def merge(summaries: Sequence[SiteSummary]) -> dict[str, ModalityCounts]:
    """Adds up what sites sent, by modality; neither order nor division over sites matter."""
    merged = {}
    for modality in MODALITIES:
        parts = [s.modalities[modality] for s in summaries if modality in s.modalities]
        if parts:
            merged[modality] = ModalityCounts(
                cases=sum(part.cases for part in parts),
                histograms={
                    name: _added(part.histograms[name] for part in parts)
                    for name in parts[0].histograms
                },
            )
    return merged


def _added(parts: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sum(numbers) for numbers in zip(*parts, strict=True))


def _count(value: Any) -> int:
    # A subclass could carry more than it shows.
    if type(value) is not int or not 0 <= value <= LARGEST_COUNT:
        raise ValueError(f"a count must be a whole number in [0, {LARGEST_COUNT:g}]")
    return value


def _epsilon(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 < value < math.inf:
        raise ValueError("epsilon must be a number above 0, or nothing")
    return float(value)


def _one_of(value: Any, allowed: Iterable[str], name: str) -> str:
    if type(value) is str:
        for word in allowed:
            if word == value:
                return word
    raise ValueError(f"{name} must be one of the known words")
