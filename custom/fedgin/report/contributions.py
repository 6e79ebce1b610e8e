"""Who contributed to which round, as a table for other programs."""

from __future__ import annotations

import csv
import io

from fedgin.report.run_record import RunRecord

COLUMNS = ("round", "site", "modality", "contribution")
ACCEPTED, MISSING = "accepted", "missing"


def contributions_csv(record: RunRecord) -> str:
    """Lists every round that began with every site, rounds counted from 1."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, given in sorted(record.contributions.items()):
        for site in sorted({*record.sites, *given}):
            state = ACCEPTED if site in given else MISSING
            writer.writerow([number + 1, site, record.modality_of(site), state])
    return text.getvalue()
