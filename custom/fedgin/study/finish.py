"""The end of a study: results, examples and report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fedgin.data.prepare import PreparedSite
from fedgin.report.study.write import write_report
from fedgin.study.definition import StudyDefinition
from fedgin.study.examples import save_examples
from fedgin.study.outcome import Outcome
from fedgin.study.record import collect_rows, make_record, save_results
from fedgin.study.summary import summarize


def finish_study(
    definition: StudyDefinition,
    *,
    outcomes: Mapping[str, Outcome],
    sites: Mapping[str, PreparedSite],
    command: str,
    seconds: float,
) -> Path:
    """Writes results.csv, results.json, examples.npz, the figures and report.html.

    Args:
        definition: The study, run as far as it could be.
        outcomes: How the runs ended, by identifier.
        sites: All sites, prepared, by name.
        command: The command as the user typed it.
        seconds: Wall time of this start.

    Returns:
        The report.
    """
    rows = collect_rows(definition)
    record = make_record(
        definition, outcomes=outcomes, sites=sites, command=command, seconds=seconds
    )
    record["summary"] = summarize(rows, record)
    save_results(definition.folder, rows=rows, record=record)
    save_examples(definition, sites)
    return write_report(definition.folder)
