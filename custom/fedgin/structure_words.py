"""Names of structures as words and a side: which are the same, and which a slip may have meant."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fedgin.config import close_name

RIGHT, LEFT, BOTH = "right", "left", "both"
_SIDES = {
    **dict.fromkeys(("r", "rt", "right"), RIGHT),
    **dict.fromkeys(("l", "lt", "left"), LEFT),
}
_FOREIGN = {
    **dict.fromkeys(
        [
            "rechts",
            "rechte",
            "rechter",
            "droit",
            "droite",
            "destra",
            "destro",
            "derecha",
            "derecho",
            "direita",
            "direito",
            "dexter",
            "dextra",
            "dextrum",
        ],
        RIGHT,
    ),
    **dict.fromkeys(
        [
            "links",
            "linke",
            "linker",
            "gauche",
            "sinistra",
            "sinistro",
            "izquierda",
            "izquierdo",
            "esquerda",
            "esquerdo",
            "sinister",
            "sinistrum",
        ],
        LEFT,
    ),
}
"""Sides in other languages: they keep a suggestion on its side, and translate nothing."""
_WORD_ENDS = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def structure_key(name: str) -> tuple[str, str]:
    """Returns a name's words without separators and side, and the side: right, left, both or none.

    `Kidney_R`, `right kidney` and `KIDNEY-RT` have the same key.
    """
    words = _words(name)
    rest = "".join(word for word in words if word not in _SIDES)
    return rest, _only({_SIDES[word] for word in words if word in _SIDES})


def side_of(name: str) -> str:
    """Returns the side that a name says in any way: right, left, both or none."""
    sides = set()
    for word in _words(name):
        sides |= {side for words in (_SIDES, _FOREIGN) if (side := words.get(word))}
        # Glued to another word, as in kidneyleft.
        sides |= {s for s in (RIGHT, LEFT) if word.startswith(s) or word.endswith(s)}
    return _only(sides)


def nearest_structure(name: str, allowed: Iterable[str]) -> str:
    """Returns words that point from a structure's name to the one that was probably meant.

    Args:
        name: The name as the user or a file wrote it.
        allowed: All names that would be right.
    """
    names = sorted(set(allowed))
    meant = meant_structure(name, names)
    return "allowed: " + ", ".join(names) if meant is None else f"did you mean '{meant}'?"


def meant_structure(name: str, allowed: Iterable[str]) -> str | None:
    """Returns the name that was probably meant, or None.

    The same words in another order and spelling come first. A name of another side is never
    returned, nor one of a side where the name has none: whoever follows it swaps two organs.

    Args:
        name: The name as the user or a file wrote it.
        allowed: All names that would be right.
    """
    names = sorted(set(allowed))
    same = [one for one in names if _sorted_key(one) == _sorted_key(name)]
    same += [one for one in names if structure_key(one) == structure_key(name)]
    on_its_side = [one for one in names if side_of(one) == side_of(name)]
    return same[0] if same else close_name(name, on_its_side)


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _WORD_ENDS.split(name) if word]


def _sorted_key(name: str) -> tuple[tuple[str, ...], str]:
    words = _words(name)
    return tuple(sorted(w for w in words if w not in _SIDES)), structure_key(name)[1]


def _only(sides: set[str]) -> str:
    return next(iter(sides), "") if len(sides) < 2 else BOTH
