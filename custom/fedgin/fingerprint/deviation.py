"""How far the plan from what sites let leave is from the plan of the exact counts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fedgin.fingerprint.plan import Plan


@dataclass(frozen=True)
class Deviation:
    """One value of both plans.

    Attributes:
        key: What it is.
        exact: From the counts as they are.
        released: From what leaves.
        difference: The difference, in numbers where both have as many.
    """

    key: str
    exact: str
    released: str
    difference: str


def deviations(exact: Plan, released: Plan | None) -> list[Deviation]:
    """Compares two plans, value by value.

    Args:
        exact: The plan of the exact counts.
        released: The plan of what leaves; None where nothing does.
    """
    theirs = {} if released is None else dict(_values(released))
    return [
        Deviation(
            key=key,
            exact=_text(value),
            released=_text(theirs.get(key)),
            difference=_difference(value, theirs.get(key)),
        )
        for key, value in _values(exact)
    ]


def _values(plan: Plan) -> Iterator[tuple[str, Any]]:
    content = plan.model_dump(mode="json")
    for key in ("spacing", "patch_size", "channels", "batch_size", "ct_window", "mr_percentile"):
        yield key, content[key]
    for modality, cases in plan.cases.items():
        yield f"cases {modality}", cases
    for modality, volumes in plan.volumes_ml.items():
        for name, volume in volumes.items():
            yield f"median ml of {name} in {modality}", volume


def _text(value: Any) -> str:
    return "-" if value is None else json.dumps(value)


def _difference(exact: Any, released: Any) -> str:
    if exact == released:
        return "none"
    if released is None or exact is None:
        return "only one has it"
    first, second = (v if isinstance(v, list) else [v] for v in (exact, released))
    if [v is None for v in first] != [v is None for v in second]:
        return "of another form"
    parts = [
        f"{b - a:+g}" if a is not None and b is not None else "0"
        for a, b in zip(first, second, strict=True)
    ]
    return ", ".join(parts)


def as_document(rows: list[Deviation]) -> list[Mapping[str, str]]:
    """Returns the comparison as plain values."""
    return [
        {"key": r.key, "exact": r.exact, "released": r.released, "difference": r.difference}
        for r in rows
    ]
