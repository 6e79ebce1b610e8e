"""Whether what is called left lies left: paired organs, and organs that everybody has on a side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fedgin.check.finding import Finding
from fedgin.check.limits import MIXED_SPREADS
from fedgin.check.structures import Structure, plain_name
from fedgin.check.subject import CheckedCase

LEFT, RIGHT = "left", "right"
CHAMBERS = ("ventricle", "atrium", "appendage")
"""Left and right of a heart name two circulations: the chambers lie beside each other obliquely."""
RIGHT_OF = (
    ("liver", "spleen"),
    ("gallbladder", "spleen"),
    ("kidney_right", "spleen"),
    ("liver", "kidney_left"),
)
"""The first lies to the patient's right of the second."""


def check_sides(case: CheckedCase) -> Iterator[Finding]:
    """Judges a case's organs by their centres' positions along the patient's left-right axis.

    Positions are those in the patient (RAS+), so that the order in which voxels are stored plays
    no part.
    """
    organs = {plain_name(name): organ for name, organ in case.structures.items()}
    pairs = list(_pairs(organs))
    for right, left in pairs:
        distance = organs[right].x - organs[left].x
        spread = (organs[right].spread + organs[left].spread) / 2
        if distance < MIXED_SPREADS * spread and distance > -MIXED_SPREADS * spread:
            yield Finding(
                "error" if distance < 0 else "warning",
                "left and right",
                (case.name,),
                f"the centres of {right} and {left} lie {distance:.0f} mm apart from left to "
                f"right, and their voxels spread by {spread:.0f} mm",
                "look whether parts of the two are mixed up, in some slices for example",
            )
        elif distance < 0:
            yield Finding(
                "error",
                "left and right",
                (case.name,),
                f"{right} lies {-distance:.0f} mm to the patient's left of {left}",
                _mend(organs),
            )
    judged = {name for pair in pairs for name in pair}
    for right, left in RIGHT_OF:
        if not {right, left} <= organs.keys() or {right, left} & judged:
            continue
        if organs[right].x < organs[left].x:
            distance = organs[left].x - organs[right].x
            yield Finding(
                "warning",
                "sides",
                (case.name,),
                f"{right} lies {distance:.0f} mm to the patient's left of {left}",
                "look whether the header mirrors the volume or two label values are swapped; in "
                "about one of 10,000 people the organs lie so",
            )


def _pairs(organs: Mapping[str, Structure]) -> Iterator[tuple[str, str]]:
    """Yields the names of a right organ and of its left partner."""
    for name in organs:
        words = name.split("_")
        if words.count(RIGHT) != 1 or LEFT in words or any(word in CHAMBERS for word in words):
            continue
        partner = "_".join(LEFT if word == RIGHT else word for word in words)
        if partner in organs:
            yield name, partner


def _mend(organs: Mapping[str, Structure]) -> str:
    """Says which of two mistakes it is, where liver and spleen can tell."""
    swap = "the two label values are swapped: swap their names in the site's file, or in this map"
    mirrored = "the header mirrors the volume: correct the affine, or export the case again"
    if not {"liver", "spleen"} <= organs.keys():
        return f"look at it in a viewer: either {swap}; or {mirrored}"
    return swap if organs["liver"].x > organs["spleen"].x else mirrored
