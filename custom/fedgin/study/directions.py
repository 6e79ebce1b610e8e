"""Which way a difference points: the one rule that every sentence and verdict follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SIGNIFICANT = 0.05
Entry = Mapping[str, Any]


def direction(entry: Entry) -> int:
    """Returns 1 or -1 where the interval of a difference leaves zero out, else 0."""
    if entry["low"] is None or entry["high"] is None:
        return 0
    if entry["low"] > 0 and entry["difference"] > 0:
        return 1
    return -1 if entry["high"] < 0 and entry["difference"] < 0 else 0


def tested_direction(entry: Entry) -> int:
    """Returns `direction` where the corrected test agrees, else 0.

    Args:
        entry: A difference; without `p_holm` it belongs to no family of tests, and its interval
            alone decides.
    """
    if "p_holm" not in entry:
        return direction(entry)
    p = entry["p_holm"]
    return direction(entry) if p is not None and p < SIGNIFICANT else 0


def least_corrected_p(entry: Entry) -> float | None:
    """Returns the smallest p that Holm could leave with this many patients and comparisons.

    n pairs give Wilcoxon's test 2^n signs, of which two are the most extreme.
    """
    if not entry["n"] or not entry["family_size"]:
        return None
    return min(1.0, entry["family_size"] * 2.0 ** (1 - entry["n"]))


def too_few(entry: Entry) -> bool:
    """Says whether no data of this many patients could have passed the corrected test."""
    least = least_corrected_p(entry) if "p_holm" in entry else None
    return least is not None and least >= SIGNIFICANT


def with_tests(gains: Sequence[Entry], rivals: Sequence[Entry]) -> list[dict[str, Any]]:
    """Gives each gain the test of the same difference, where the table of rivals has one.

    Args:
        gains: Entries of `fedgin.study.comparisons.gain_table`.
        rivals: Entries of `fedgin.study.comparisons.rival_table`, of the same rows.

    Returns:
        The gains in their order; those over both modalities and all classes with the `p`, `p_holm`
        and `family_size` of GIN against "none".
    """
    tests = {
        (entry["arm"], entry["population"]): {
            key: entry[key] for key in ("p", "p_holm", "family_size")
        }
        for entry in rivals
        if entry["rival"] == "none"
    }
    return [
        {
            **entry,
            **(
                tests.get((entry["arm"], entry["population"]), {})
                if (entry["modality"], entry["class"]) == ("all", "mean")
                else {}
            ),
        }
        for entry in gains
    ]
