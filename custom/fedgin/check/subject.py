"""A case as the rules see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedgin.check.structures import Structure
from fedgin.data.pair_facts import PairFacts


@dataclass(frozen=True)
class CheckedCase:
    """What is known of a case that could be read.

    Attributes:
        name: Its name.
        patient: The patient's identifier.
        split: The split that it was dealt to; empty where the splits are unsound.
        facts: Grid, intensities and hashes.
        structures: The named structures that occur.
    """

    name: str
    patient: str
    split: str
    facts: PairFacts
    structures: Mapping[str, Structure]
