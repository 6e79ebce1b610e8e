"""The files that a prediction leaves: where they lie, and that none is overwritten unasked."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fedgin.data.nifti_write import write_label
from fedgin.errors import ConfigError, Problem
from fedgin.files import write_atomically
from fedgin.predict.case import Prediction
from fedgin.predict.earlier import earlier_results
from fedgin.predict.inputs import Input
from fedgin.predict.model import LoadedModel
from fedgin.predict.scan import write_dicom_seg

logger = logging.getLogger(__name__)

VOLUMES_FILE, REPORT_FILE = "volumes.csv", "predictions.json"
LABEL_END, NAMES_END = ".nii.gz", "_labels.json"
OVERLAY_END, SEG_END = "_overlay.png", "_seg.dcm"
_LISTED = 5


@dataclass(frozen=True)
class CaseFiles:
    """The files of a case's results.

    Attributes:
        label: The label map, NIfTI.
        names: Names of its values, JSON.
        overlay: Three slices with outlines, PNG.
        seg: The label map as DICOM SEG; None where the input is no DICOM.
    """

    label: Path
    names: Path
    overlay: Path
    seg: Path | None

    def all(self) -> tuple[Path, ...]:
        """Lists them."""
        return tuple(file for file in (self.label, self.names, self.overlay, self.seg) if file)

    def remove(self) -> None:
        """Removes what an earlier run left: a case that fails must not seem to have a result."""
        for file in self.all():
            file.unlink(missing_ok=True)


def files_of(item: Input, out: Path) -> CaseFiles:
    """Names the files of a case's results."""
    return CaseFiles(
        label=out / f"{item.name}{LABEL_END}",
        names=out / f"{item.name}{NAMES_END}",
        overlay=out / f"{item.name}{OVERLAY_END}",
        seg=out / f"{item.name}{SEG_END}" if item.kind == "dicom" else None,
    )


def open_folder(out: Path, items: Iterable[Input], *, source: Path, force: bool) -> None:
    """Makes the folder of the results; nothing is written where anything would be lost.

    Args:
        out: The folder.
        items: The scans.
        source: Where these come from.
        force: Whether results of an earlier run may be overwritten. All that its report lists is
            removed, of other scans as well: tables and label maps in a folder are of one run.

    Raises:
        ConfigError: It is no folder, it is that of the scans, or results lie there already; by
            force, the earlier run's report is none. Nothing is removed then.
        DataError: The earlier report names what leads out of the folder.
    """
    scans = source if source.is_dir() else source.parent
    rule = "OUT must be a folder for results, other than that of the scans"
    if out.exists() and not out.is_dir():
        raise ConfigError(Problem(str(out), rule, "a file", "name another folder"))
    items = list(items)
    series = (item.path for item in items if item.kind == "dicom")
    if out.resolve() in {folder.resolve() for folder in (scans, *series)}:
        raise ConfigError(Problem(str(out), rule, "the folder of the scans", "name another folder"))
    names = [file for item in items for file in files_of(item, out).all()]
    names += [out / VOLUMES_FILE, out / REPORT_FILE]
    there = [file.name for file in names if file.exists()]
    if there and not force:
        more = f" and {len(there) - _LISTED} more" if len(there) > _LISTED else ""
        raise ConfigError(
            Problem(
                str(out),
                "results are not overwritten",
                ", ".join(there[:_LISTED]) + more,
                "name another folder, or replace the earlier run's results by --force",
            )
        )
    if force:
        _remove_earlier(out)
    # Label maps and overlays show patients: they are the user's alone.
    out.mkdir(mode=0o700, parents=True, exist_ok=True)


def _remove_earlier(out: Path) -> None:
    report = out / REPORT_FILE
    earlier = earlier_results(report, endings=(LABEL_END, NAMES_END, OVERLAY_END, SEG_END))
    for file in earlier:
        file.unlink()
    if earlier:
        logger.info("%s: %d files of the earlier run removed", out, len(earlier))
    for file in (report, out / VOLUMES_FILE):  # what they list is gone
        file.unlink(missing_ok=True)


def write_prediction(
    files: CaseFiles, prediction: Prediction, *, model: LoadedModel, overlay: bytes | None
) -> None:
    """Writes the results of a case, each file whole or not at all, the label map last.

    Args:
        files: Where to.
        prediction: The results.
        model: The model that they come from.
        overlay: The PNG; None where none is wanted.

    Raises:
        OSError: The disk is full or the folder cannot be written.
    """
    names = model.settings.task.class_names
    content = {
        "labels": {"background": 0, **{name: value for value, name in enumerate(names, start=1)}},
        "task": model.settings.task.name,
        "model": model.card.weights.sha256,
    }
    write_atomically(files.names, (json.dumps(content, indent=2) + "\n").encode())
    if overlay is not None:
        write_atomically(files.overlay, overlay)
    if files.seg is not None:
        write_dicom_seg(
            files.seg,
            series=prediction.scan.series,
            label=prediction.label,
            names=dict(enumerate(names, start=1)),
        )
    write_label(files.label, prediction.label, prediction.scan.header)
