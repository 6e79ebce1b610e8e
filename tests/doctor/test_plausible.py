"""Of what it prepares the doctor says what `fedgin check` would; it reads no volume twice."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from hospital import CANARY, CANARY_PARTS, SHAPE, hashed, write_hospital, write_volume
from subjects import TINY

from fedgin.data.file_cases import FileCase
from fedgin.data.volume import LabelledVolume
from fedgin.doctor.data import check_data
from fedgin.doctor.finding import Finding
from fedgin.doctor.request import make_subject
from fedgin.doctor.subject import Notes
from fedgin.settings import make_settings


def look(file: Path) -> dict[str, Finding]:
    settings = make_settings(**TINY)
    subject = make_subject(file, settings=settings, kit=None, job=None, time_server=None)
    return {finding.name: finding for finding in check_data(subject, Notes())}


def copied_image(name: str = "p01") -> np.ndarray:
    """The image that `write_volume` draws for a name."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    return generator.uniform(-1000, 400, SHAPE).astype(np.float32)


def test_one_image_under_two_names_is_told_by_hash_from_the_cache_too(tmp_path: Path) -> None:
    file = write_hospital(tmp_path)
    write_volume(tmp_path / "data", CANARY, image=copied_image())
    for found in (look(file), look(file)):  # the second finds everything prepared
        finding = found["one patient, two ids"]
        assert finding.status == "failed"
        for name in (CANARY, "p01"):
            assert f"#{hashed(name)}" in finding.found
        assert finding.values == {"findings": 1, "cases": 2}
        for part in CANARY_PARTS:
            assert part not in finding.model_dump_json().lower()
        assert found["volumes"].status == "ok"


def test_what_is_told_of_other_cases_does_not_hide_it(tmp_path: Path) -> None:
    file = write_hospital(tmp_path)
    write_volume(tmp_path / "data", CANARY, image=copied_image())
    image = tmp_path / "data/im/p03.nii.gz"
    image.write_bytes(image.read_bytes()[:-100])
    found = look(file)
    assert found["one patient, two ids"].status == "failed"
    assert "truncated" in found[f"case #{hashed('p03')}, image"].found


def test_many_findings_of_a_kind_are_one_line(tmp_path: Path) -> None:
    file = write_hospital(tmp_path)
    for n, name in enumerate((CANARY, "p01", "p02", "p03")):
        label = np.zeros(SHAPE, dtype=np.uint8)
        label[9:12, 9:12, 3 : 6 + n] = 1
        write_volume(tmp_path / "data", name, label=label)
    finding = look(file)["volume"]
    assert finding.status == "warning"
    assert finding.values == {"findings": 4, "cases": 4}
    assert "and 1 more" in finding.found
    assert "fedgin check" in finding.mend


def test_no_volume_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_hospital(tmp_path)
    loads: list[str] = []
    load = FileCase.load

    def counted(case: FileCase) -> LabelledVolume:
        loads.append(case.name)
        return load(case)

    monkeypatch.setattr(FileCase, "load", counted)
    look(file)
    assert len(loads) == 4
    look(file)
    assert len(loads) == 4
