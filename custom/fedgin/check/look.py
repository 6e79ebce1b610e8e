"""Reading one case into a few kilobytes: its faults, its facts and a small picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fedgin.data.checks import check_geometry, check_intensities, check_labels
from fedgin.data.pair_facts import PairFacts, gather_facts
from fedgin.data.sources import Case
from fedgin.data.volume import LabelledVolume
from fedgin.errors import FedginError, Problem


@dataclass(frozen=True)
class Terms:
    """What every case of a site is held against.

    Attributes:
        modality: "CT" or "MR".
        names: Structure name by label value, with 0 for the background.
        colours: Colour of each value in pictures, RGB of 0 to 255.
        draws: Whether pictures are drawn.
    """

    modality: str
    names: Mapping[int, str]
    colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    draws: bool = False


@dataclass(frozen=True)
class Fault:
    """A rule that a case breaks by itself, as the reader's refusal says it.

    Attributes:
        rule: Name of the rule.
        problem: The refusal.
    """

    rule: str
    problem: Problem


@dataclass(frozen=True)
class Look:
    """What one look at a case gave.

    Attributes:
        faults: The rules that reading and comparing broke.
        facts: The case without its voxels; None where it cannot be read.
        thumbnail: A JPEG; none where none was asked for, or there is nothing to draw.
    """

    faults: tuple[Fault, ...] = ()
    facts: PairFacts | None = None
    thumbnail: bytes = b""


def look_at(case: Case, terms: Terms) -> Look:
    """Reads a case once. Whatever is wrong with it is told, never raised."""
    try:
        return _judge(case.name, case.load(), terms)
    except FedginError as error:
        return Look(faults=tuple(Fault("unreadable", problem) for problem in error.problems))
    except Exception as error:
        # The other cases are to be looked at all the same, whatever a reader stumbles over.
        return Look(faults=(Fault("unreadable", _unexpected(case.name, error)),))


def _judge(name: str, pair: LabelledVolume, terms: Terms) -> Look:
    broken = {
        "geometry": check_geometry(name, pair),
        "label values": check_labels(name, pair.label, terms.names),
        "intensity": check_intensities(name, pair.image, terms.modality),
    }
    thumbnail = b""
    if terms.draws:
        from fedgin.check.thumbnail import draw_thumbnail

        thumbnail = draw_thumbnail(pair, colours=terms.colours, modality=terms.modality)
    return Look(
        faults=tuple(
            Fault(rule, problem) for rule, problems in broken.items() for problem in problems
        ),
        facts=gather_facts(pair, values=terms.names.keys()),
        thumbnail=thumbnail,
    )


def _unexpected(name: str, error: Exception) -> Problem:
    reason = f"{type(error).__name__}: {error}"[:300]
    return Problem(
        name, "a case must be readable", reason, "open its files in a viewer, or export them again"
    )
