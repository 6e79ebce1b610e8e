"""Bytes on disk, estimated from headers and counted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hospital import CANARY, write_hospital
from subjects import TINY, by_name

from fedgin.data.prepare import prepare_site
from fedgin.doctor.disk import check_disk, estimate_bytes, prepared_bytes
from fedgin.doctor.finding import Finding
from fedgin.doctor.request import make_subject
from fedgin.doctor.subject import Notes, Subject
from fedgin.settings import make_settings

NUMPY_HEADER = 128
SETTINGS = make_settings(**TINY)


def subject(file: Path, kit: Path | None = None) -> Subject:
    return make_subject(file, settings=SETTINGS, kit=kit, job=None, time_server=None)


def look(file: Path, *, prepare: bool, kit: Path | None = None) -> dict[str, Finding]:
    of = subject(file, kit)
    assert of.site is not None
    notes = Notes(prepared=prepare_site(of.site, SETTINGS) if prepare else None)
    return by_name(check_disk(of, notes))


def stored(folder: Path) -> int:
    return sum(file.stat().st_size for file in (folder / "cache/volumes").rglob("*.npy"))


def test_the_estimate_from_headers_is_near_what_is_stored(tmp_path: Path) -> None:
    of = subject(write_hospital(tmp_path))
    assert of.site is not None
    estimate = estimate_bytes(of.site, SETTINGS)
    prepared = prepare_site(of.site, SETTINGS)
    found = prepared_bytes(prepared)
    files = len(list((tmp_path / "cache/volumes").rglob("*.npy")))
    assert found == stored(tmp_path) - files * NUMPY_HEADER
    points = sum(case.foreground.nbytes for cases in prepared.splits.values() for case in cases)
    assert estimate == pytest.approx(found - points, rel=0.02)


def test_a_damaged_image_counts_as_the_mean_of_the_others(tmp_path: Path) -> None:
    of = subject(write_hospital(tmp_path))
    assert of.site is not None
    whole = estimate_bytes(of.site, SETTINGS)
    (tmp_path / f"data/im/{CANARY}.nii.gz").write_bytes(b"damaged")
    assert estimate_bytes(of.site, SETTINGS) == pytest.approx(whole, rel=0.01)


def test_space_that_suffices(tmp_path: Path) -> None:
    file = write_hospital(tmp_path, cache={"folder": str(tmp_path / "cache"), "quota_gb": 0.1})
    found = look(file, prepare=True)["cache"]
    assert found.status == "ok"
    free = shutil.disk_usage(tmp_path).free
    assert float(found.values["free_bytes"] or 0) == pytest.approx(free, rel=0.2)


def test_a_quota_below_the_need_is_told(tmp_path: Path) -> None:
    file = write_hospital(tmp_path, cache={"folder": str(tmp_path / "cache"), "quota_gb": 1e-6})
    found = look(file, prepare=True)["cache"]
    assert found.status == "warning"
    assert "quota_gb" in found.mend


def test_a_quota_beyond_the_disk_is_told(tmp_path: Path) -> None:
    cache = {"folder": str(tmp_path / "cache"), "quota_gb": 1e9}
    found = look(write_hospital(tmp_path, cache=cache), prepare=True)["cache"]
    assert found.status == "warning"
    assert "fill the disk" in found.mend


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage(tmp_path))(10**9, 10**9 - 1000, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    state = {"folder": str(tmp_path / "state")}
    found = look(write_hospital(tmp_path, state=state), prepare=False)
    assert found["cache"].status == "failed"
    assert found["state between rounds"].status == "failed"


def test_the_state_lies_in_its_folder_or_in_the_kit(tmp_path: Path, kit_folder: Path) -> None:
    file = write_hospital(tmp_path)
    assert look(file, prepare=False)["state between rounds"].status == "skipped"
    assert look(file, prepare=False, kit=kit_folder)["state between rounds"].status == "ok"
    file = write_hospital(tmp_path, state={"folder": str(tmp_path / "not/yet/there")})
    assert look(file, prepare=False)["state between rounds"].status == "ok"
    assert not (tmp_path / "not").exists()
