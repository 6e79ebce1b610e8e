"""All scans one after another; one that fails does not stop the others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fedgin.errors import FedginError
from fedgin.predict.case import Choices, Prediction, predict_case
from fedgin.predict.inputs import Found, Input
from fedgin.predict.model import LoadedModel
from fedgin.predict.outputs import CaseFiles, files_of, write_prediction
from fedgin.predict.report import CaseReport, report_failure, report_success, write_reports
from fedgin.predict.scan import read_scan

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """Whom to tell how far the work is.

    Attributes:
        on_case: Told a scan's name when it begins.
        on_slices: Told how many slices of it are done, and of how many.
        on_result: Told what became of a scan.
    """

    on_case: Callable[[str], None] = lambda name: None
    on_slices: Callable[[int, int], None] = lambda done, total: None
    on_result: Callable[[CaseReport], None] = lambda report: None


def predict_all(
    model: LoadedModel,
    found: Found,
    out: Path,
    *,
    choices: Choices,
    overlays: bool = False,
    progress: Progress | None = None,
) -> list[CaseReport]:
    """Segments scans and writes results and reports.

    Args:
        model: The model.
        found: The scans.
        out: Folder of the results, from `open_folder`; results of an earlier run are replaced.
        choices: How to predict.
        overlays: Whether to draw pictures.
        progress: Whom to tell.

    Returns:
        What became of each scan, those refused by their names included.

    Raises:
        OSError: The reports cannot be written.
    """
    progress = progress or Progress()
    classes = model.settings.task.class_names
    reports: list[CaseReport] = []
    for path, problem in found.refused:
        reports.append(report_failure(path.name, path, [str(problem)], classes=classes))
        progress.on_result(reports[-1])
    try:
        for item in found.inputs:
            progress.on_case(item.name)
            reports.append(_attempt(model, item, out, choices, overlays, progress))
            progress.on_result(reports[-1])
    finally:
        # Also of a run that was stopped: what was done is done.
        write_reports(out, reports, model=model, choices=choices, left_out=found.left_out)
    return reports


def _attempt(
    model: LoadedModel,
    item: Input,
    out: Path,
    choices: Choices,
    overlays: bool,
    progress: Progress,
) -> CaseReport:
    try:
        return _run(model, item, out, choices, overlays, progress)
    except FedginError as error:
        problems = [str(problem) for problem in error.problems]
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        problems = [f"{named}{error.strerror or error}"]
    return report_failure(item.name, item.path, problems, classes=model.settings.task.class_names)


def _run(
    model: LoadedModel,
    item: Input,
    out: Path,
    choices: Choices,
    overlays: bool,
    progress: Progress,
) -> CaseReport:
    files: CaseFiles = files_of(item, out)
    files.remove()
    prediction = predict_case(model, item, choices, on_slices=progress.on_slices)
    picture = _draw(model, item, prediction) if overlays else None
    try:
        write_prediction(files, prediction, model=model, overlay=picture)
    except BaseException:
        files.remove()  # half of the results of a case are none
        raise
    written = [file for file in files.all() if file.exists()]
    return report_success(item.name, item.path, prediction, files=written)


def _draw(model: LoadedModel, item: Input, prediction: Prediction) -> bytes:
    from fedgin.predict.overlay import draw_overlay

    # Read again: while the network worked, the scan's own voxels were not in memory.
    return draw_overlay(
        read_scan(item).volume,
        prediction.label,
        classes=model.settings.task.class_names,
        window=model.settings.ct_window if prediction.modality == "CT" else None,
        title=f"{item.name} ({prediction.modality})",
    )
