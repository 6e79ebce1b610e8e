"""Whether a round has enough updates of each modality, from the run's record."""

from __future__ import annotations

from fedgin.federation_settings import MinSites
from fedgin.report.run_record import RunRecord


def shortage(record: RunRecord, number: int, min_sites: MinSites) -> str | None:
    """Says which modality has too few accepted updates in a round.

    Args:
        record: The run's record.
        number: The round, from 0.
        min_sites: Updates that a round needs.

    Returns:
        Such as "round 2: 0 of 1 MR sites", or None where it has enough.
    """
    given = record.contributions.get(number, [])
    found = []
    for modality in ("CT", "MR"):
        needed = min_sites.of(modality)
        have = sum(record.modality_of(site) == modality for site in given)
        if have < needed:
            found.append(f"{have} of {needed} {modality} sites")
    return f"round {number + 1}: {', '.join(found)}" if found else None
