"""The structures of a case by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fedgin.data.pair_facts import PairFacts

UNNAMED = ("background", "other")
"""What a label map calls values that are no structure."""


@dataclass(frozen=True)
class Structure:
    """A structure of one case.

    Attributes:
        voxels: Number of its voxels.
        ml: Its volume in ml.
        x: Position of its centre towards the patient's right, in mm.
        spread: Standard deviation of its voxels' positions along left-right, in mm.
        at_face: Whether it reaches an outer face of the volume.
        runs: Along each array axis the runs of planes that hold it, first and last index each.
    """

    voxels: int
    ml: float
    x: float
    spread: float
    at_face: bool
    runs: tuple[tuple[tuple[int, int], ...], ...] = ()


def structures_of(facts: PairFacts, names: Mapping[int, str]) -> dict[str, Structure]:
    """Puts the values of each name together.

    Args:
        facts: The case.
        names: Structure name by label value.

    Returns:
        Those that occur, in the order of `names`.
    """
    parts: dict[str, list[int]] = {}
    for value, name in names.items():
        if value in facts.structures and name not in UNNAMED:
            parts.setdefault(name, []).append(value)
    return {name: _join(facts, values) for name, values in parts.items()}


def _join(facts: PairFacts, values: list[int]) -> Structure:
    members = [facts.structures[value] for value in values]
    voxels = sum(member.voxels for member in members)
    middle = sum(member.centre[0] * member.voxels for member in members) / voxels
    variance = sum(
        (member.spread**2 + (member.centre[0] - middle) ** 2) * member.voxels for member in members
    )
    return Structure(
        voxels=voxels,
        ml=voxels * facts.voxel_ml,
        x=middle,
        spread=(variance / voxels) ** 0.5,
        at_face=any(member.at_face for member in members),
        runs=tuple(_united(runs) for runs in zip(*(one.runs for one in members), strict=True)),
    )


def _united(runs: Iterable[Sequence[tuple[int, int]]]) -> tuple[tuple[int, int], ...]:
    """Puts the runs of several label values together."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(run for one in runs for run in one):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


def structure_names(names: Mapping[int, str]) -> tuple[str, ...]:
    """Returns the names of a label map that are structures, each once."""
    return tuple(dict.fromkeys(name for name in names.values() if name not in UNNAMED))


def plain_name(name: str) -> str:
    """Brings a structure's name to the form in which rules know it, such as kidney_left."""
    return "_".join(name.lower().replace("-", " ").replace("_", " ").split())


def ml_text(ml: float) -> str:
    """Writes a volume with three digits, never as a power of ten."""
    return f"{ml:.0f}" if ml >= 100 else f"{ml:.3g}"
