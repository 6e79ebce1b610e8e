"""Who contributed to which round and how much it counted, as a table for other programs."""

from __future__ import annotations

import csv
import io

from fedgin.report.run_record import RunRecord

COLUMNS = (
    *("round", "site", "modality", "contribution", "weight", "reason", "epsilon", "delta"),
    "not_annotated",
)
ACCEPTED, REFUSED, LATE, MISSING = "accepted", "refused", "late", "missing"


def contributions_csv(record: RunRecord) -> str:
    """Lists every round that began with every site, rounds counted from 1.

    `weight` is the site's share in the round's average; it is empty where there was none. `epsilon`
    and `delta` are what the site says that its updates of the run have cost so far; they are empty
    where it adds no noise. `not_annotated` are the classes, with blanks between them, of which the
    site can teach nothing.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, given in sorted(record.contributions.items()):
        shares = record.shares.get(number, {})
        for site in sorted({*record.sites, *given}):
            state, reason = contribution_of(record, site, number)
            weight = f"{shares[site]:.6f}" if site in shares else ""
            loss = [f"{part:.6g}" for part in record.privacy.get(number, {}).get(site, ())]
            row = [number + 1, site, record.modality_of(site), state, weight, reason]
            lacking = " ".join(record.not_annotated.get(site, ()))
            writer.writerow([*row, *(loss or ["", ""]), lacking])
    return text.getvalue()


def contribution_of(record: RunRecord, site: str, number: int) -> tuple[str, str]:
    """Says what became of a site's share in a round.

    Args:
        record: The run's record.
        site: Name of the site.
        number: The round, from 0.

    Returns:
        `accepted`, `refused`, `late` (the round was over before the answer was there, and the site
        was heard of again) or `missing`; and the reason, perhaps empty.
    """
    refused = record.refused.get(number, {})
    late = record.late.get(number, {})
    if site in record.contributions.get(number, []):
        return ACCEPTED, refused.get(site, "")  # of a second answer
    if site in refused:
        return REFUSED, refused[site]
    if site in late:
        return LATE, late[site]
    if number not in record.started:  # a round from an older checkpoint
        return MISSING, ""
    took = site in record.started[number]
    return MISSING, "took the task and did not answer" if took else "did not take the task"
