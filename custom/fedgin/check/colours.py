"""A colour for each structure, the same in every picture and in the legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedgin.check.structures import structure_names
from fedgin.report.study.figures.style import CLASS_COLOURS

Colour = tuple[int, int, int]


def structure_colours(names: Sequence[str]) -> dict[str, Colour]:
    """Gives each structure a colour, RGB of 0 to 255; beyond six they repeat."""
    hexadecimal = (CLASS_COLOURS[n % len(CLASS_COLOURS)] for n in range(len(names)))
    return {
        name: (int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16))
        for name, text in zip(names, hexadecimal, strict=True)
    }


def value_colours(names: Mapping[int, str]) -> dict[int, Colour]:
    """Gives each label value the colour of its structure.

    Args:
        names: Name by label value; those that are no structures get no colour.
    """
    colours = structure_colours(structure_names(names))
    return {value: colours[name] for value, name in names.items() if name in colours}
