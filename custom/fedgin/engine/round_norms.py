"""The gate on norms for a whole round: every group of arrays against its own past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedgin.engine.norm_gate import NormGate
from fedgin.engine.update_norms import STATISTICS

NormsByGroup = Mapping[str, float]
"""Norms of one update, by group of its arrays; see `fedgin.engine.update_norms`."""
CONTROLS = "controls"
"""Group of SCAFFOLD's controls."""
STATISTICS_SLACK = 4.0
"""Statistics of activations depend on the modality: on the heart phantoms the first round's differ
by 3.3 between CT and MR, where the weights' differ by 1.1."""


def refuse_large(
    norms: Mapping[str, NormsByGroup],
    *,
    accepted: Mapping[str, Sequence[Sequence[float]]],
    factor: float,
    rounds: int,
) -> dict[str, str]:
    """Tells which updates of a round are too large in any group.

    Args:
        norms: By site the norms of its update.
        accepted: By group and earlier round, the oldest first, the norms accepted.
        factor: As for `NormGate`; statistics of normalization layers have `STATISTICS_SLACK` times
            as much.
        rounds: As for `NormGate`.

    Returns:
        By site refused the reason.
    """
    refused: dict[str, str] = {}
    for group in sorted({group for found in norms.values() for group in found}):
        slack = STATISTICS_SLACK if group == STATISTICS else 1.0
        gate = NormGate(factor=factor * slack, rounds=rounds, accepted=accepted.get(group, ()))
        present = {site: found[group] for site, found in norms.items() if group in found}
        for site, reason in gate.check(present).items():
            refused.setdefault(site, f"{site} sent too much, {group}: {reason}")
    return refused


def accepted_norms(
    norms: Mapping[int, Mapping[str, NormsByGroup]],
    contributions: Mapping[int, Sequence[str]],
    *,
    before: int,
) -> dict[str, list[list[float]]]:
    """Collects the norms of accepted updates of earlier rounds, by group and round.

    Args:
        norms: By round and site the norms of what was looked at.
        contributions: By round the sites whose update was accepted.
        before: The round that is about to close; it and later ones are left out.
    """
    found: dict[str, list[list[float]]] = {}
    for number in sorted(number for number in norms if number < before):
        of_round: dict[str, list[float]] = {}
        for site in sorted(set(contributions.get(number, ())) & norms[number].keys()):
            for group, norm in norms[number][site].items():
                of_round.setdefault(group, []).append(norm)
        for group, values in of_round.items():
            found.setdefault(group, []).append(values)
    return found
