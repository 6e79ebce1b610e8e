"""A site with DICOM data is looked at like others: all problems, and no patient's name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hospital import (
    AFFINE,
    CANARY,
    CANARY_PARTS,
    OTHERS,
    SHAPE,
    hashed,
    patient_arrays,
    write_site_file,
)
from pydicom.dataset import Dataset
from test_data import look, text_of

from dicom_trees import slice_data_set, uid, write_series
from fedgin.data.dicom.seg import write_seg
from fedgin.data.dicom.series import read_series


def write_patient(root: Path, name: str) -> None:
    """A CT whose folder, files and headers all name the patient, with a SEG of the heart."""
    image, label = patient_arrays(name)
    write_series(
        root / name,
        image.astype(np.int16),
        AFFINE @ np.diag([-1, -1, 1, 1]),
        patient=name,
        series=name,
        name=lambda place: f"{name}_{place}.dcm",
    )
    write_seg(
        root / f"{name}.dcm",
        series=read_series(root / name),
        labels=label,
        names={1: f"heart of {name}"},
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    names = (CANARY, *OTHERS)
    for name in names:
        write_patient(tmp_path / "data", name)
    dataset = {
        "kind": "dicom",
        "root": str(tmp_path / "data"),
        "labels_as": "seg",
        "cases": [{"image": name, "label": f"{name}.dcm"} for name in names],
        "segments": {"heart": [f"heart of {name}" for name in names]},
    }
    return write_site_file(tmp_path, dataset=dataset, labels=None)


def test_a_sound_site_is_counted(file: Path) -> None:
    findings = look(file)
    assert [finding.status for finding in findings] == ["ok", "ok"], findings
    assert findings[1].values["train_cases"] == 2


def test_every_problem_is_told_without_a_name(file: Path) -> None:
    root = file.parent / "data"
    (root / CANARY / f"{CANARY}_5.dcm").unlink()
    (root / "p01" / "p01_2.dcm").write_bytes(b"")
    for name in ("p02", "p03"):
        for path in (root / name).iterdir():
            path.unlink()

    def mixed(data: Dataset, place: int) -> None:
        data.SeriesInstanceUID, data.PatientID = uid(place % 2), f"{CANARY}-{place % 2}"

    image = np.zeros(SHAPE, np.int16)
    write_series(root / "p03", image, AFFINE @ np.diag([-1, -1, 1, 1]), edit=mixed)
    failures = [finding for finding in look(file) if finding.status == "failed"]
    told: dict[str, str] = {}
    for finding in failures:
        told[finding.name] = told.get(finding.name, "") + finding.found
    hashes = {name: hashed(name) for name in (CANARY, *OTHERS)}
    assert "1 missing" in told[f"case #{hashes[CANARY]}, image"]
    assert "1 of 12 files without" in told[f"case #{hashes['p01']}, image"]
    assert "none an image" in told[f"case #{hashes['p02']}, image"]
    text = text_of(failures).lower()
    assert not [part for part in CANARY_PARTS if part in text], text
    assert "2 series: number 3" in told[f"case #{hashes['p03']}, image"]
    assert uid(0) not in text


def test_nothing_that_the_headers_say_is_logged(
    file: Path, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    data = slice_data_set(np.zeros(SHAPE, np.int16), AFFINE, 0)
    assert data.PatientName
    look(file)
    said = caplog.text + "".join(str(warning.message) for warning in recwarn)
    assert not [part for part in CANARY_PARTS if part in said.lower()], said
