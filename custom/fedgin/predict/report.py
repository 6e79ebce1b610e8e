"""What is said of each case: a table of volumes and a report of everything else."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fedgin.data.adapters.base import LeftOut
from fedgin.data.adult_organs import adult_range
from fedgin.files import write_atomically
from fedgin.predict.case import Choices, Prediction
from fedgin.predict.flags import Flag, Organ
from fedgin.predict.model import LoadedModel
from fedgin.predict.outputs import REPORT_FILE, VOLUMES_FILE
from fedgin.predict.uncertainty import NOTHING, Doubt

COLUMNS = (
    *("case", "modality", "organ", "volume_ml", "voxels", "status"),
    *("agreement", "dissent", "entropy", "flags"),
)


@dataclass(frozen=True)
class CaseReport:
    """What became of a case.

    Attributes:
        name: Name of the case.
        path: Its file or folder.
        problems: Why it failed; empty where it did not.
        modality: "CT" or "MR"; empty where it failed.
        modality_source: "given", "header" or "recognised"; empty where it failed.
        shape: Voxels of the input.
        task_shape: Slices, rows and columns of the task's grid.
        organs: The structures; without sizes where it failed.
        overall: How sure the network is of all that it found.
        flags: Warnings.
        removed: Voxels that the clean-up took away, by structure.
        seconds: Wall time without writing.
        files: Names of the files written.
    """

    name: str
    path: Path
    organs: tuple[Organ, ...]
    problems: tuple[str, ...] = ()
    modality: str = ""
    modality_source: str = ""
    shape: tuple[int, ...] = ()
    task_shape: tuple[int, ...] = ()
    overall: Doubt = NOTHING
    flags: tuple[Flag, ...] = ()
    removed: tuple[tuple[str, int], ...] = ()
    seconds: float = 0.0
    files: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether there is no result."""
        return bool(self.problems)


def report_success(
    name: str, path: Path, prediction: Prediction, *, files: Sequence[Path]
) -> CaseReport:
    """Reports a prediction."""
    return CaseReport(
        name=name,
        path=path,
        organs=prediction.organs,
        modality=prediction.modality,
        modality_source=prediction.modality_source,
        shape=prediction.scan.shape,
        task_shape=prediction.task_classes.shape,
        overall=prediction.overall,
        flags=prediction.flags,
        removed=tuple(prediction.removed.items()),
        seconds=prediction.seconds,
        files=tuple(file.name for file in files),
    )


def report_failure(
    name: str, path: Path, problems: Sequence[str], *, classes: Sequence[str]
) -> CaseReport:
    """Reports a case without a result."""
    organs = tuple(Organ(name=each, size=None, doubt=NOTHING, status="failed") for each in classes)
    return CaseReport(name=name, path=path, organs=organs, problems=tuple(problems))


def write_reports(
    out: Path,
    cases: Sequence[CaseReport],
    *,
    model: LoadedModel,
    choices: Choices,
    left_out: Sequence[LeftOut],
) -> None:
    """Writes `volumes.csv`, a row per case and organ, and `predictions.json`.

    Raises:
        OSError: The disk is full or the folder cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for case in cases:
        for organ in case.organs:
            writer.writerow(_row(case, organ))
    write_atomically(out / VOLUMES_FILE, text.getvalue().encode())
    content = {
        "model": {
            "sha256": model.card.weights.sha256,
            "title": model.card.title,
            "task": model.settings.task.name,
            "trained_on": list(model.modalities),
            "limits": list(model.card.limits),
        },
        "choices": {
            "modality": choices.modality,
            "flips": [["zyx"[axis] for axis in flip] for flip in choices.flips],
            "largest_component": choices.largest_component,
            "shift_check": choices.shift_check,
        },
        "left_out": {left.path: left.reason for left in left_out},
        "cases": [_case(case) for case in cases],
    }
    write_atomically(out / REPORT_FILE, (json.dumps(content, indent=2) + "\n").encode())


def _row(case: CaseReport, organ: Organ) -> list[str]:
    size = organ.size
    return [
        case.name,
        case.modality,
        organ.name,
        "" if size is None else f"{size.millilitres:.3f}",
        "" if size is None else str(size.voxels),
        organ.status,
        _number(organ.doubt.agreement),
        _number(organ.doubt.dissent),
        _number(organ.doubt.entropy),
        ";".join(flag.label for flag in case.flags),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _case(case: CaseReport) -> dict[str, Any]:
    return {
        "name": case.name,
        "input": str(case.path),
        "status": "failed" if case.failed else "done",
        "problems": list(case.problems),
        "modality": case.modality or None,
        "modality_source": case.modality_source or None,
        "shape": list(case.shape),
        "task_grid": list(case.task_shape),
        **asdict(case.overall),
        "flags": [
            {"code": flag.code, "organs": list(flag.organs), "text": flag.text}
            for flag in case.flags
        ],
        "organs": {organ.name: _organ(organ) for organ in case.organs},
        "removed_voxels": dict(case.removed),
        "seconds": round(case.seconds, 3),
        "files": list(case.files),
    }


def _organ(organ: Organ) -> dict[str, Any]:
    plausible = adult_range(organ.name)
    return {
        "status": organ.status,
        "volume_ml": None if organ.size is None else organ.size.millilitres,
        "voxels": None if organ.size is None else organ.size.voxels,
        "at_border": None if organ.size is None else organ.size.at_border,
        "plausible_ml": None if plausible is None else list(plausible),
        **asdict(organ.doubt),
    }
