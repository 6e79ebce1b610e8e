"""A synthetic study, written as `fedgin study` writes one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from made_once import made_once

# The synthetic study is shared with the tests of the tables.
sys.path.append(str(Path(__file__).resolve().parents[1] / "study"))


@pytest.fixture(scope="session")
def abdomen_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six classes, eleven augmentations, every regime, two seeds, with its report."""
    from synthetic_study import ABDOMEN, make_record, make_rows, write_study

    from fedgin.report.study.write import write_report

    def make(folder: Path) -> Path:
        rows = make_rows(classes=ABDOMEN, seeds=(0, 1), patients=3)
        write_study(folder, rows, make_record(rows, task="abdomen", patients=3))
        write_report(folder)
        return folder

    return made_once(tmp_path_factory, "abdomen_study", make)
