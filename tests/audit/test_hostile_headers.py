"""The audit's row of hostile files: a small series here, the whole one among the slow tests."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import pytest

from fedgin.audit import hostile_headers
from fedgin.audit.hostile_worker import NIBABEL_BYTES
from fedgin.audit.mutations import mutated_file, promise_file
from fedgin.files import MIB


def figures(row: hostile_headers.AuditRow) -> dict[str, float]:
    return {figure.name: figure.value for figure in row.without + row.defended}


def check(row: hostile_headers.AuditRow, files: int) -> None:
    found = figures(row)
    assert row.holds, row
    assert found["files"] == files
    assert found["refused"] + found["read as nibabel reads them"] == files
    assert found["refused"] > files / 3
    assert found["read as nibabel reads them"] > files / 10
    assert found["anything else"] == 0
    assert found["peak extra memory"] < 200
    assert found["worst time"] < 2
    assert found["63-byte file, extra memory"] < 20
    assert found["63-byte file, extra memory at least"] == NIBABEL_BYTES / MIB
    assert found["other errors than a refusal"] > 0


def test_a_small_series_is_refused_or_read_rightly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostile_headers, "FILES", 150)
    monkeypatch.setattr(hostile_headers, "NIBABEL_FILES", 40)
    check(hostile_headers.run(folder=tmp_path, seed=3), 150)


@pytest.mark.slow
def test_the_whole_series_is_refused_or_read_rightly(tmp_path: Path) -> None:
    check(hostile_headers.run(folder=tmp_path, seed=0), 2000)


def test_the_bound_fails_with_nibabel_in_the_readers_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostile_headers, "FILES", 40)
    monkeypatch.setattr(hostile_headers, "NIBABEL_FILES", 40)
    outcomes = hostile_headers._outcomes
    monkeypatch.setattr(
        hostile_headers, "_outcomes", lambda _, *arguments: outcomes("nibabel", *arguments)
    )
    row = hostile_headers.run(folder=tmp_path, seed=3)
    assert not row.holds
    assert figures(row)["anything else"] > 0


def test_the_63_bytes_promise_4_gib() -> None:
    content = promise_file()
    assert len(content) == 63
    header = nib.Nifti1Header(gzip.decompress(content)[:348])
    assert header.get_data_shape() == (1024, 1024, 1024)
    assert header.get_data_dtype().itemsize == 4


def test_a_series_follows_from_its_seed() -> None:
    first = [mutated_file(index, seed=1) for index in range(16)]
    assert first == [mutated_file(index, seed=1) for index in range(16)]
    assert len({content for _, content in first}) == 16
    assert first != [mutated_file(index, seed=2) for index in range(16)]
    assert max(len(content) for _, content in first) < MIB
