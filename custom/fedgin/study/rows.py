"""The study's measurements in long form: one row per run, patient, class and metric."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedgin.augment.presets import PRESETS
from fedgin.config import nearest
from fedgin.errors import ConfigError, Problem
from fedgin.files import SHARED, write_atomically
from fedgin.study import regimes

REGIMES = tuple(regimes.REGIMES)
AUGMENTATIONS = tuple(PRESETS)
ALGORITHMS = ("", "fedavg", "fedprox", "fedbn", "scaffold")
ROLES = ("training", "unseen")
MODALITIES = ("CT", "MR")
METRICS = ("dice", "hd95", "nsd")
STATUSES = ("measured", "missed", "invented", "absent", "not annotated")
WITHOUT_VALUE = ("absent", "not annotated")
HEADER = (
    "regime",
    "augmentation",
    "algorithm",
    "seed",
    "train_sites",
    "test_site",
    "role",
    "modality",
    "patient",
    "class",
    "metric",
    "value",
    "status",
)
_ALLOWED = {
    "regime": REGIMES,
    "augmentation": AUGMENTATIONS,
    "algorithm": ALGORITHMS,
    "role": ROLES,
    "modality": MODALITIES,
    "metric": METRICS,
    "status": STATUSES,
}


@dataclass(frozen=True)
class Row:
    """One number of the study.

    Attributes:
        regime: How the model was trained, see `REGIMES`.
        augmentation: Intensity augmentation of the training, see `AUGMENTATIONS`.
        algorithm: Federated algorithm; empty where the regime does not federate.
        seed: Seed of the training.
        train_sites: Names of the sites that trained, sorted, joined by "+".
        test_site: Site whose patient was measured.
        role: "training" for a site of the study federation, "unseen" for a site that never trains.
        modality: Modality of the test site, "CT" or "MR".
        patient: Hash of the patient, 12 hexadecimal digits.
        class_name: Structure that was measured.
        metric: "dice" in [0, 1], "hd95" in mm or "nsd" in [0, 1].
        value: The number; nan where the status leaves none.
        status: "measured"; "missed" (in the truth only) or "invented" (in the prediction only),
            both with the worst value; "absent" (in neither) or "not annotated", both without value.
    """

    regime: str
    augmentation: str
    algorithm: str
    seed: int
    train_sites: str
    test_site: str
    role: str
    modality: str
    patient: str
    class_name: str
    metric: str
    value: float
    status: str

    @property
    def trained_on(self) -> tuple[str, ...]:
        """Names of the sites that trained."""
        return tuple(self.train_sites.split("+"))


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Writes rows as CSV (UTF-8, with header), whole or not at all.

    Values keep every digit; nan becomes an empty field.

    Raises:
        OSError: The file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for row in rows:
        cells = [getattr(row, _field(name)) for name in HEADER]
        cells[HEADER.index("value")] = "" if math.isnan(row.value) else repr(float(row.value))
        writer.writerow(cells)
    write_atomically(path, text.getvalue().encode("utf-8"), mode=SHARED)


def read_rows(path: Path) -> list[Row]:
    """Reads rows that `write_rows` wrote.

    Raises:
        ConfigError: The file is missing or not UTF-8, a column or value is not of this form, or a
            number occurs twice; every problem names the file and the line, 20 at most.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            Problem(str(path), "the study's rows are readable as UTF-8", str(error), _MEND)
        ) from error
    lines = csv.reader(io.StringIO(text, newline=""))
    header = tuple(next(lines, ()))
    if header != HEADER:
        rule = f"the columns are {','.join(HEADER)}"
        raise ConfigError(Problem(f"{path}, line 1", rule, ",".join(header) or "nothing", _MEND))
    rows: list[Row] = []
    problems: list[Problem] = []
    first_line: dict[tuple[str, ...], int] = {}
    for cells in lines:
        where = f"{path}, line {lines.line_num}"
        found = _problems(where, cells)
        if not found:
            rows.append(_row(cells))
            same = first_line.setdefault(tuple(cells[:-2]), lines.line_num)
            if same != lines.line_num:
                found = [Problem(where, "a number occurs once", f"line {same} again", _MEND)]
        problems += found
    if problems:
        raise ConfigError(problems[:20])
    return rows


_MEND = "take a file that `fedgin study` wrote, unchanged"


def _field(column: str) -> str:
    return "class_name" if column == "class" else column


def _row(cells: Sequence[str]) -> Row:
    values: dict[str, str] = {_field(c): v for c, v in zip(HEADER, cells, strict=True)}
    text, seed = values.pop("value"), values.pop("seed")
    return Row(**values, seed=int(seed), value=float(text) if text else math.nan)


def _problems(where: str, cells: Sequence[str]) -> list[Problem]:
    if len(cells) != len(HEADER):
        rule = f"a row has {len(HEADER)} fields"
        return [Problem(where, rule, f"{len(cells)}", _MEND)]
    values = dict(zip(HEADER, cells, strict=True))
    found = [
        Problem(where, f"{column} is known", f"{v!r} ({nearest(v, allowed)})", _MEND)
        for column, allowed in _ALLOWED.items()
        if (v := values[column]) not in allowed
    ]
    found += [
        Problem(where, f"{column} is not empty", "an empty field", _MEND)
        for column in ("train_sites", "test_site", "patient", "class")
        if not values[column]
    ]
    if not values["seed"].isdecimal():
        found.append(Problem(where, "seed is a whole number", repr(values["seed"]), _MEND))
    return found + _value_problems(where, values["value"], values["metric"], values["status"])


def _value_problems(where: str, text: str, metric: str, status: str) -> list[Problem]:
    if status in WITHOUT_VALUE:
        rule = f"value is empty where the status is {status!r}"
        return [Problem(where, rule, repr(text), _MEND)] if text else []
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    most = math.inf if metric == "hd95" else 1.0
    if math.isfinite(value) and 0 <= value <= most:
        return []
    rule = f"{metric} is a number from 0 to {'any mm' if metric == 'hd95' else 1}"
    return [Problem(where, rule, repr(text), _MEND)]
