"""What may leave a site, rebuilt value by value: whatever is not listed here is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fedgin.fingerprint.document import read_summary
from fedgin.flare.site_meta import (
    CASES,
    LARGEST,
    MODALITY,
    SGD_DELTA,
    SGD_EPSILON,
    SGD_UNIT,
    SLICES,
)
from fedgin.metrics.summary import EDGES, checked_summary
from fedgin.report.run_record import SiteMetrics
from fedgin.tasks import TASKS

ARRAY_NAME = re.compile(r"[A-Za-z0-9_.]{1,200}")
FLOATS, FLOATS_AND_COUNTS = ("f2", "f4", "f8"), ("f2", "f4", "f8", "i8")
_HASH = re.compile(r"[0-9a-f]{64}")
_UNITS = ("slice", "patient")
MODALITIES = ("CT", "MR")
_PARTS = ("validation", "test")
_PART_KEYS = {"dice", "per_class", "cases", "summary"}
_CLASSES = tuple(dict.fromkeys(name for task in TASKS.values() for name in task.class_names))

Shapes = Mapping[str, tuple[int, ...]]


def check_arrays(
    arrays: Any, *, dtypes: tuple[str, ...] = FLOATS, shapes: Shapes | None = None
) -> dict[str, np.ndarray]:
    """Checks named arrays.

    Args:
        arrays: What should be arrays by name, at least one.
        dtypes: Types that they may have, as numpy writes them, in the machine's byte order.
        shapes: The shapes that they must have, for all names; None where these are not known.

    Returns:
        The same arrays, in the order of the shapes, or of their names.

    Raises:
        ValueError: A name, type, shape or value is not allowed. No value is quoted.
    """
    if not isinstance(arrays, Mapping) or not arrays:
        raise ValueError("arrays by name are needed, at least one")
    for name, array in arrays.items():
        if type(name) is not str or not ARRAY_NAME.fullmatch(name):
            raise ValueError("an array's name must be letters, digits, '_' and '.'")
        # A subclass, of a name too, or a type with metadata could carry more than it shows.
        if type(array) is not np.ndarray or array.dtype.metadata is not None:
            raise ValueError(f"'{name}' must be a plain array; found {type(array).__name__}")
        if array.dtype.isnative is False or array.dtype.str[1:] not in dtypes:
            raise ValueError(f"'{name}' must be of {', '.join(dtypes)}; found {array.dtype.str}")
        if not np.isfinite(array).all():
            raise ValueError(f"'{name}' has values that are not finite")
    if shapes is None:
        return {name: arrays[name] for name in sorted(arrays)}
    if {name: a.shape for name, a in arrays.items()} != dict(shapes):
        raise ValueError("names and shapes must be those of the model that the task brought")
    # In the task's order: that of the answer could say something.
    return {name: arrays[name] for name in shapes}


def clean_metrics(message: Any, *, parts: tuple[str, ...] = _PARTS) -> dict[str, Any]:
    """Rebuilds metrics from the keys, class names and numbers that they may have.

    Args:
        message: What a site would send; see `fedgin.engine.site_work.SiteWork.metrics`.
        parts: The parts that it may have.

    Raises:
        ValueError: There is anything else in it.
    """
    metrics = SiteMetrics.from_message(message)
    if unknown := set(message) - {"modality", "not_annotated", *parts}:
        raise ValueError(f"metrics have {len(unknown)} unknown keys")
    clean: dict[str, Any] = {"modality": one_of(metrics.modality, MODALITIES)}
    if metrics.not_annotated:
        # In the tasks' order, each once: the list says no more than which they are.
        lacking = {one_of(name, _CLASSES) for name in metrics.not_annotated}
        clean["not_annotated"] = [name for name in _CLASSES if name in lacking]
    for name in parts:
        if (part := message.get(name)) is not None:
            clean[name] = _clean_part(part)
    return clean


def _clean_part(part: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := set(part) - _PART_KEYS:
        raise ValueError(f"a part of the metrics has {len(unknown)} unknown keys")
    clean: dict[str, Any] = {
        "dice": _number(part.get("dice")),
        "per_class": {
            one_of(name, _CLASSES): _number(value) for name, value in part["per_class"].items()
        },
        "cases": int(clean_count(part.get("cases", 0))),
    }
    if "summary" in part:
        clean["summary"] = {
            one_of(name, _CLASSES): {
                one_of(metric, EDGES): _clean_summary(value, metric=metric)
                for metric, value in by_metric.items()
            }
            for name, by_metric in part["summary"].items()
        }
    return clean


def _clean_summary(value: Any, *, metric: str) -> dict[str, Any]:
    summary = checked_summary(value, metric=metric)
    return {
        "count": int(clean_count(summary["count"])),
        "mean": _number(summary["mean"]),
        "sd": _number(summary["sd"]),
        "histogram": [int(clean_count(count)) for count in summary["histogram"]],
    }


def clean_receipt(message: Any, *, key: str) -> dict[str, str]:
    """Rebuilds the receipt of a delivered model, a SHA-256 under one key.

    Raises:
        ValueError: There is anything else in it.
    """
    if not isinstance(message, Mapping) or set(message) != {key}:
        raise ValueError("a receipt has one key")
    if type(message[key]) is not str or not _HASH.fullmatch(message[key]):
        raise ValueError("a receipt is 64 hexadecimal digits")
    return {key: message[key]}


def clean_fingerprint(message: Any, *, noisy: bool) -> dict[str, Any]:
    """Rebuilds the counts of a site's data from the words and whole numbers that they may have.

    Args:
        message: What a site would send; see `fedgin.fingerprint.document`.
        noisy: Whether counts without noise are refused.

    Raises:
        ValueError: There is anything else in it.
    """
    summary = read_summary(message)
    if noisy and summary.epsilon is None:
        raise ValueError("counts leave with noise only: the site's file sets fingerprint.epsilon")
    return summary.message()


def clean_facts(meta: Mapping[str, Any], *, steps_key: str) -> dict[str, Any]:
    """Rebuilds what an update says of its site; keys that are not known are left out.

    Raises:
        ValueError: A modality or unit is unknown, or a number is none.
    """
    clean: dict[str, Any] = {}
    if MODALITY in meta:
        clean[MODALITY] = one_of(meta[MODALITY], MODALITIES)
    for key in (CASES, SLICES, steps_key):
        if key in meta:
            clean[key] = clean_count(meta[key])
    for key in (SGD_EPSILON, SGD_DELTA):
        if key in meta:
            clean[key] = float(clean_count(meta[key]))
    if SGD_UNIT in meta:
        clean[SGD_UNIT] = one_of(meta[SGD_UNIT], _UNITS)
    return clean


def one_of(value: Any, allowed: Iterable[str]) -> str:
    """Returns a word as one of ours: what it was given is not what leaves.

    Raises:
        ValueError: It is none of them, or no plain text.
    """
    if type(value) is str:
        for word in allowed:
            if word == value:
                return word
    raise ValueError("a word must be one of those that may leave")


def clean_count(value: Any) -> int | float:
    """Returns a count as a plain number.

    Raises:
        ValueError: It is none, or too large to be one.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("a count must be a number")
    if not 0 <= value <= LARGEST:  # false for nan
        raise ValueError(f"a count must be in [0, {LARGEST:g}]")
    return int(value) if isinstance(value, int) else float(value)


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not math.isfinite(value):
        raise ValueError("a metric must be a finite number")
    return float(value)
