"""Running one check so that neither its failure nor its logging gets past the doctor."""

from __future__ import annotations

import logging
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fedgin
from fedgin.doctor.finding import Finding, failed, warning
from fedgin.doctor.scrub import Scrubber
from fedgin.errors import FedginError, Problem

PACKAGE = "fedgin"


def run_watched(
    check: Callable[[], list[Finding]], *, scrubber: Callable[[], Scrubber]
) -> list[Finding]:
    """Runs a check; whatever it raises becomes a finding, and so does what the package warns of.

    The text of an unexpected error may name a file, so only its type and place are told.

    Args:
        check: The check.
        scrubber: Gives the names that are known once the check has ended.
    """
    with logs_kept() as records:
        try:
            findings = check()
        except FedginError as error:
            clean = scrubber()
            findings = [_refused(problem, clean) for problem in error.problems]
        except Exception as error:
            findings = [_unexpected(error)]
    told = [record.getMessage() for record in records if _is_told(record)]
    clean = scrubber()
    return findings + [
        warning("logged", clean.strict(text), "see to it before the first job") for text in told
    ]


def _refused(problem: Problem, clean: Scrubber) -> Finding:
    # A setting of the run or of the device names no patient: its numbers are what they seem.
    numerals = not problem.where.startswith("key '")
    return failed(
        clean.known(problem.where, numerals=numerals),
        clean.known(f"{problem.rule}; found {problem.found}", numerals=numerals),
        clean.known(problem.mend, numerals=numerals),
    )


def _unexpected(error: Exception) -> Finding:
    reason = type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        reason += f" ({error.strerror})"
    return failed(
        "unexpected error",
        f"{reason} at {_place(error)}",
        "mend the other findings first; if it stays, report this line to the package's authors",
    )


def _place(error: Exception) -> str:
    """Names the last line of this package on the way to the error."""
    root = Path(fedgin.__file__).resolve().parent
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename).resolve()
        if path.is_relative_to(root):
            return f"{path.relative_to(root).as_posix()}:{frame.lineno}"
    return "an unknown place"


def _is_told(record: logging.LogRecord) -> bool:
    ours = record.name == PACKAGE or record.name.startswith(f"{PACKAGE}.")
    return ours and record.levelno >= logging.WARNING


class _Keeper(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def logs_kept() -> Iterator[list[logging.LogRecord]]:
    """Keeps log records from being shown: they may name a patient. Libraries' warnings too."""
    root, keeper = logging.getLogger(), _Keeper()
    before = list(root.handlers)
    root.handlers[:] = [keeper]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield keeper.records
    finally:
        root.handlers[:] = before
