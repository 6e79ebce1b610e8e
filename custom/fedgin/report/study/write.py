"""Writes a study's report from what the study left in its folder."""

from __future__ import annotations

import json
import logging
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fedgin.documents import RECORD, parse_json
from fedgin.errors import ConfigError, Problem
from fedgin.files import SHARED, read_bounded, write_atomically
from fedgin.report.study import comparison_tables, provenance, tables
from fedgin.report.study.conventions import convention_texts
from fedgin.report.study.gallery import Plan, plan_figures
from fedgin.report.study.page import Picture, render
from fedgin.report.study.words import summary_words
from fedgin.study.arms import Measurements
from fedgin.study.hypotheses import MET, NOT_MET, UNJUDGED
from fedgin.study.matrix import MEAN
from fedgin.study.rows import read_rows
from fedgin.study.summary import summarize

logger = logging.getLogger(__name__)

ROWS_FILE, RECORD_FILE, EXAMPLES_FILE = "results.csv", "results.json", "examples.npz"
REPORT_FILE, FIGURES_FOLDER = "report.html", "figures"
CONTENTS = (
    ("summary", "Summary"),
    ("matrix", "Matrix"),
    ("comparisons", "Comparisons"),
    ("measurements", "All measurements"),
    ("boxes", "Box plots"),
    ("curves", "Learning curves"),
    ("examples", "Examples"),
    ("conventions", "Conventions"),
    ("failures", "Failures"),
    ("provenance", "Provenance"),
)


def write_report(folder: Path) -> Path:
    """Writes `report.html` and the figures of a study; the same input gives the same files.

    Args:
        folder: The study's folder, with `results.csv`, `results.json` and, if there are any,
            `examples.npz`.

    Returns:
        The report's path.

    Raises:
        ConfigError: A file is missing, damaged or of another form.
        OSError: The folder cannot be written; files that stand there stay whole.
    """
    rows = read_rows(folder / ROWS_FILE)
    record = read_record(folder / RECORD_FILE)
    examples, no_examples = _read_examples(folder / EXAMPLES_FILE)
    summary = summarize(rows, record)
    plans = plan_figures(
        Measurements(rows, record), summary, runs=record["runs"], examples=examples
    )
    pictures = _draw(plans, folder / FIGURES_FOLDER)
    page = _page(record, summary, pictures, no_examples=no_examples)
    write_atomically(folder / REPORT_FILE, page.encode("utf-8"), mode=SHARED)
    return folder / REPORT_FILE


def read_record(path: Path) -> dict[str, Any]:
    """Reads a study's record.

    Raises:
        ConfigError: It is missing, no JSON, or not of format 1.
    """
    mend = "take a folder that `fedgin study` wrote"
    try:
        record = parse_json(read_bounded(path, limit=RECORD.size), bounds=RECORD)
    except (OSError, ValueError) as error:
        raise ConfigError(
            Problem(str(path), "a study's record is JSON", str(error), mend)
        ) from error
    found = record.get("format") if isinstance(record, dict) else type(record).__name__
    if found != 1:
        raise ConfigError(Problem(str(path), "a study's record has format 1", repr(found), mend))
    return dict(record)


def _read_examples(path: Path) -> tuple[dict[str, Any], str]:
    """Returns the arrays, and what to say where there are none."""
    import numpy as np

    if not path.is_file():
        return {}, "The study has left no example slices yet."
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}, ""
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        logger.warning("%s cannot be read: %s", path, error)
        return {}, f"The example slices in {path.name} cannot be read: {error}."


def _draw(plans: Sequence[Plan], folder: Path) -> dict[str, Picture]:
    """Draws and writes every figure there is something to draw for; removes one that is no more."""
    from fedgin.report.study.figures.style import png

    folder.mkdir(exist_ok=True)
    pictures: dict[str, Picture] = {}
    for plan in plans:
        path = folder / f"{plan.name}.png"
        wide, narrow = plan.draw(False), plan.draw(True)
        if wide is None or narrow is None:
            path.unlink(missing_ok=True)
            continue
        content = png(wide)
        write_atomically(path, content, mode=SHARED)
        pictures[plan.name] = Picture(
            name=plan.name,
            title=plan.title,
            caption=plan.caption,
            alt=plan.alt,
            png=content,
            narrow_png=png(narrow),
        )
    return pictures


def _page(
    record: Mapping[str, Any],
    summary: Mapping[str, Any],
    pictures: Mapping[str, Picture],
    *,
    no_examples: str,
) -> str:
    return render(
        "study.html.j2",
        title=f"CT and MR segmentation across sites: study of the {record['task']}",
        record=record,
        summary=summary,
        words=summary_words(summary),
        # What was not drawn is shown as nothing.
        figures=defaultdict(lambda: None, pictures),
        tables=_tables(record, summary),
        contents=CONTENTS,
        conventions=convention_texts(record),
        training=[site for site in record["sites"] if site["role"] == "training"],
        unseen=[site for site in record["sites"] if site["role"] == "unseen"],
        verdict_class={MET: "met", NOT_MET: "not-met", UNJUDGED: "unjudged"},
        verdict_short={
            MET: "\N{CHECK MARK} met",
            NOT_MET: "\N{MULTIPLICATION X} not met",
            UNJUDGED: "? not judged",
        },
        no_examples=no_examples,
        codes=[code[:12] for code in record.get("codes", [])],
        notes=record.get("notes", []),
        commands=provenance.commands(record),
        settings=json.dumps(provenance.shared_settings(record), indent=1, ensure_ascii=False),
        differing=provenance.differing_settings(record),
    )


def _tables(record: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "matrix": tables.matrix_tables([e for e in summary["matrix"] if e["class"] == MEAN]),
        "class_matrix": tables.matrix_tables([e for e in summary["matrix"] if e["class"] != MEAN]),
        "means": tables.mean_tables(summary["means"]),
        "counts": tables.count_table_text(summary["counts"]),
        "seeds": tables.seed_table_text(summary["per_seed"]),
        "gains": comparison_tables.gain_table_text(summary["gains"]),
        "modality_gains": comparison_tables.gain_table_text(summary["gains"], by_modality=True),
        "class_gains": comparison_tables.class_gain_table(summary["gains"]),
        "rivals": comparison_tables.rival_table_text(summary["rivals"]),
        "ratios": comparison_tables.ratio_table_text(summary["ratios"]),
        "sites": provenance.site_table(record["sites"]),
        "runs": provenance.run_table(record["runs"]),
        "failures": provenance.failure_table(summary["failures"]),
        "versions": provenance.version_table(record["versions"]),
    }
