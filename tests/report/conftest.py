"""A synthetic study, written as `fedgin study` writes one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# The synthetic study is shared with the tests of the tables.
sys.path.append(str(Path(__file__).resolve().parents[1] / "study"))


@pytest.fixture(scope="session")
def abdomen_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six classes, eleven augmentations, every regime, two seeds, with its report."""
    from synthetic_study import ABDOMEN, make_record, make_rows, write_study

    from fedgin.report.study.write import write_report

    rows = make_rows(classes=ABDOMEN, seeds=(0, 1), patients=3)
    folder = tmp_path_factory.mktemp("abdomen")
    write_study(folder, rows, make_record(rows, task="abdomen", patients=3))
    write_report(folder)
    return folder
