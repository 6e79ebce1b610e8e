"""What a reader of a prediction should be warned of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fedgin.data.adult_organs import adult_range
from fedgin.predict.modality import Recognition
from fedgin.predict.uncertainty import Doubt
from fedgin.predict.volumes import OrganSize

LEAST_AGREEMENT = 0.89
"""Agreement, over all that was found, below which a case is called uncertain."""
LEAST_ORGAN_AGREEMENT = 0.75
"""The same for one structure of several: of a small one more voxels lie at the border."""
MOST_DISSENT = 0.09
"""Mean dissent of a flip ensemble above which it is, where agreement was not measured."""
MOST_ENTROPY = 0.35
"""Mean entropy above which a case is, where neither was."""
# Measured on phantom hearts: nine networks of 400 steps each on two patients of six protocols, of
# which some were new to a network. With Dice below 0.7 were 48 cases: agreement finds 46 of them,
# dissent (along x) 43, entropy 48. With Dice above 0.8 were 54: agreement calls 1 of them
# uncertain, dissent 17, entropy 29; some networks are right and never sure.

Status = Literal[
    "ok", "empty", "cut_off", "implausible_small", "implausible_large", "uncertain", "failed"
]


@dataclass(frozen=True)
class Flag:
    """A warning.

    Attributes:
        code: Its kind, for programs.
        text: What was found and which rule it breaks, for readers.
        organs: The structures that it is about; none where it is about the whole scan.
    """

    code: str
    text: str
    organs: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The kind with the structures, such as `cut_off: liver`."""
        return f"{self.code}: {', '.join(self.organs)}" if self.organs else self.code


@dataclass(frozen=True)
class Organ:
    """A structure of a case.

    Attributes:
        name: Its name.
        size: How much was found; None where the case failed.
        doubt: How sure the network is of it.
        status: The gravest that is to be said of it.
        uncertain: Whether the network is too unsure of it, whatever else is to be said.
    """

    name: str
    size: OrganSize | None
    doubt: Doubt
    status: Status
    uncertain: bool = False


def judge_organ(name: str, size: OrganSize, doubt: Doubt, *, alone: bool = False) -> Organ:
    """Gives a structure its status.

    A structure that the field of view cuts off may have any volume up to the highest.

    Args:
        name: Its name.
        size: How much was found.
        doubt: How sure the network is of it.
        alone: Whether it is the task's only structure.
    """
    limit = LEAST_AGREEMENT if alone else LEAST_ORGAN_AGREEMENT
    uncertain = is_uncertain(doubt, least_agreement=limit)
    status = _status(name, size, uncertain)
    return Organ(name=name, size=size, doubt=doubt, status=status, uncertain=uncertain)


def _status(name: str, size: OrganSize, uncertain: bool) -> Status:
    if not size.voxels:
        return "empty"
    plausible = adult_range(name)
    if plausible is not None and size.millilitres > plausible[1]:
        return "implausible_large"
    if plausible is not None and size.millilitres < plausible[0] and not size.at_border:
        return "implausible_small"
    if uncertain:
        return "uncertain"
    return "cut_off" if size.at_border else "ok"


def is_uncertain(doubt: Doubt, *, least_agreement: float) -> bool:
    """Judges by the best of what was measured: agreement, then dissent, then entropy."""
    if doubt.agreement is not None:
        return doubt.agreement < least_agreement
    if doubt.dissent is not None:
        return doubt.dissent > MOST_DISSENT
    return doubt.entropy is not None and doubt.entropy > MOST_ENTROPY


def flags_of(
    *,
    modality: str,
    source: str,
    recognition: Recognition,
    trained_on: Sequence[str],
    organs: Sequence[Organ],
    overall: Doubt,
) -> tuple[Flag, ...]:
    """Lists the warnings of a case.

    Args:
        modality: "CT" or "MR", as the case was prepared.
        source: Who says so: "given", "header" or "recognised".
        recognition: What the intensities say.
        trained_on: Modalities of the model's card.
        organs: The structures.
        overall: How sure the network is of all that it found.
    """
    found = [
        *_input_flags(modality, source, recognition, trained_on),
        *_volume_flags(organs),
        *_doubt_flags(organs, overall),
    ]
    return tuple(found)


def _input_flags(
    modality: str, source: str, recognition: Recognition, trained_on: Sequence[str]
) -> list[Flag]:
    found = []
    if trained_on and modality not in trained_on:
        found.append(
            Flag(
                "modality_not_in_card",
                f"a scan of modality {modality}; the model was trained on {', '.join(trained_on)}",
            )
        )
    if recognition.modality != modality:
        like = recognition.modality or "neither CT nor MR"
        found.append(
            Flag(
                "intensities_unlike_modality",
                f"{modality} is {source}, the intensities are like {like} ({recognition.reason})",
            )
        )
    return found


def _volume_flags(organs: Sequence[Organ]) -> list[Flag]:
    if all(organ.status == "empty" for organ in organs):
        return [Flag("empty_prediction", "no structure was found")]
    missing = [organ for organ in organs if organ.status == "empty"]
    implausible = [organ for organ in organs if organ.status.startswith("implausible_")]
    # Whatever else the status says: of a structure that goes on outside, the volume is a part.
    cut_off = [organ for organ in organs if organ.size is not None and organ.size.at_border]
    found = []
    for code, concerned, text in (
        ("structure_missing", missing, ", ".join(_names(missing))),
        ("implausible_volume", implausible, "; ".join(_range_in_words(o) for o in implausible)),
        (
            "cut_off",
            cut_off,
            f"{', '.join(_names(cut_off))} at the edge of the scan: what lies outside is not in "
            "the volume",
        ),
    ):
        if concerned:
            found.append(Flag(code, text, _names(concerned)))
    return found


def _doubt_flags(organs: Sequence[Organ], overall: Doubt) -> list[Flag]:
    """Warns of the whole scan and, by themselves, of structures that a good mean would hide."""
    found = []
    if is_uncertain(overall, least_agreement=LEAST_AGREEMENT):
        measure, value, rule = _doubt_in_words(overall, least_agreement=LEAST_AGREEMENT)
        found.append(Flag("high_uncertainty", f"{measure} {value:.2f}, {rule}"))
    uncertain = [organ for organ in organs if organ.uncertain]
    # Of the only structure the scan's own warning says the same.
    if uncertain and len(organs) > 1:
        words = [
            (organ.name, *_doubt_in_words(organ.doubt, least_agreement=LEAST_ORGAN_AGREEMENT))
            for organ in uncertain
        ]
        # The same was measured of all.
        (_, measure, _, rule), *_ = words
        values = ", ".join(f"{name} {value:.2f}" for name, _, value, _ in words)
        found.append(Flag("high_uncertainty", f"{values}: {measure}, {rule}", _names(uncertain)))
    return found


def _doubt_in_words(doubt: Doubt, *, least_agreement: float) -> tuple[str, float, str]:
    """Names the measure that judges, its value and the rule for it; see `is_uncertain`."""
    if doubt.agreement is not None:
        measure = "agreement with the same scan some voxels aside"
        return measure, doubt.agreement, f"should be at least {least_agreement}"
    if doubt.dissent is not None:
        return "dissent within the ensemble", doubt.dissent, f"should be at most {MOST_DISSENT}"
    return "mean entropy", doubt.entropy or 0.0, f"should be at most {MOST_ENTROPY}"


def _names(organs: Sequence[Organ]) -> tuple[str, ...]:
    return tuple(organ.name for organ in organs)


def _range_in_words(organ: Organ) -> str:
    plausible = adult_range(organ.name)
    if organ.size is None or plausible is None:
        return organ.name
    return (
        f"{organ.name} {organ.size.millilitres:.0f} ml, "
        f"adults have {plausible[0]:.0f} to {plausible[1]:.0f} ml"
    )
