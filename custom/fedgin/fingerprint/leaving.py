"""What of a site's counts would leave, in a few words for each quantity."""

from __future__ import annotations

from dataclasses import dataclass

from fedgin.fingerprint.bins import bins_of
from fedgin.fingerprint.document import SiteSummary
from fedgin.tasks import TASKS


@dataclass(frozen=True)
class LeavingRow:
    """One quantity of a site's answer.

    Attributes:
        modality: "CT" or "MR".
        quantity: Its name.
        unit: Unit of its bins.
        bins: Bins that have counts, of all.
        counts: Counts in all.
        least: The least count of a bin that has any.
        span: Edges of the outermost bins with counts; an outermost bin of all is open.
    """

    modality: str
    quantity: str
    unit: str
    bins: str
    counts: str
    least: str
    span: str


def leaving_rows(summary: SiteSummary) -> list[LeavingRow]:
    """Describes a site's answer, quantity by quantity."""
    rows = []
    for modality, counts in summary.modalities.items():
        for name, bins in bins_of(modality, TASKS[summary.task]).items():
            numbers = counts.histograms[name]
            filled = [index for index, number in enumerate(numbers) if number]
            told = [numbers[index] for index in filled]
            span = "-"
            if filled:
                low = f"{bins.edges[filled[0]]:g}" if filled[0] else "below"
                last = filled[-1] + 1 < bins.number
                high = f"{bins.edges[filled[-1] + 1]:g}" if last else "above"
                span = f"{low} to {high}"
            rows.append(
                LeavingRow(
                    modality=modality,
                    quantity=name,
                    unit=bins.unit,
                    bins=f"{len(filled)} of {bins.number}",
                    counts=str(sum(told)),
                    least=str(min(told)) if told else "-",
                    span=span,
                )
            )
    return rows
