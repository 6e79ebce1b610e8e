"""Whether a round has what it needs: sites of each modality, and sites that annotate each class."""

from __future__ import annotations

from fedgin.data.annotation import nobody_annotates, nobody_annotates_problem
from fedgin.federation_settings import MinSites
from fedgin.report.run_record import RunRecord


def never_annotated(record: RunRecord) -> str | None:
    """Says which classes no site of the run annotates, once every site was heard.

    Returns:
        Such as "no site annotates gallbladder: ...", or None.
    """
    if not record.sites or any(site not in record.not_annotated for site in record.sites):
        return None  # who was not heard yet may have them
    names = record.class_names()
    missing = nobody_annotates(names, record.not_annotated)
    if not missing:
        return None
    problem = nobody_annotates_problem(missing, names)
    return f"{problem.found}; {problem.mend}"


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
