"""Sites of masks and of data sets: all problems are told, and no patient's name."""

from __future__ import annotations

import logging
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hospital import AFFINE, CANARY, OTHERS, patient_arrays, write_site_file
from test_data import assert_nameless, look, text_of

NAMES = (CANARY, *OTHERS)


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, AFFINE), path)


@pytest.fixture
def subjects(tmp_path: Path) -> Path:
    """Subjects with a mask of the heart; returns their root."""
    root = tmp_path / "data"
    for name in NAMES:
        image, heart = patient_arrays(name)
        save(root / name / "ct.nii.gz", image)
        save(root / name / "segmentations" / "heart.nii.gz", heart)
    return root


def masks_file(folder: Path) -> Path:
    cases = [
        {"image": f"{name}/ct.nii.gz", "masks": f"{name}/segmentations", "patient": name}
        for name in NAMES
    ]
    dataset = {"kind": "masks", "root": str(folder / "data"), "structures": ["heart"]}
    return write_site_file(folder, dataset={**dataset, "cases": cases}, labels=None)


def adapter_file(folder: Path) -> Path:
    dataset = {"kind": "adapter", "name": "totalsegmentator_ct", "root": str(folder / "data")}
    return write_site_file(folder, dataset=dataset, labels=None)


def test_sound_sites_are_counted(tmp_path: Path, subjects: Path) -> None:
    for file in (masks_file(tmp_path), adapter_file(tmp_path)):
        findings = look(file)
        assert [finding.status for finding in findings] == ["ok", "ok"]
        assert findings[1].values["train_cases"] == 2


def test_masks_with_problems_name_no_patient(tmp_path: Path, subjects: Path) -> None:
    (subjects / CANARY / "segmentations" / "heart.nii.gz").unlink()
    save(subjects / "p01" / "segmentations" / "heart.nii.gz", np.full((4, 4, 4), 1, np.uint8))
    failures = [finding for finding in look(masks_file(tmp_path)) if finding.status == "failed"]
    text = text_of(failures)
    assert "every structure must have a mask" in text
    assert "same shape" in text
    assert {finding.name.partition(",")[2] for finding in failures} == {" mask of heart"}
    assert_nameless(text)
    assert all(name not in text for name in OTHERS)


def test_a_data_set_that_is_refused_names_no_patient(tmp_path: Path, subjects: Path) -> None:
    lines = ["image_id;split", f"{CANARY};train", f"{CANARY};test"]
    (subjects / "meta.csv").write_text("\n".join(lines))
    failures = [finding for finding in look(adapter_file(tmp_path)) if finding.status == "failed"]
    text = text_of(failures)
    assert "a subject must be in one split" in text
    assert_nameless(text)


def test_a_subject_that_is_left_out_is_named_in_no_log(
    tmp_path: Path, subjects: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (subjects / CANARY / "segmentations" / "heart.nii.gz").unlink()
    with caplog.at_level(logging.DEBUG):
        findings = look(adapter_file(tmp_path))
    assert findings[1].values["train_cases"] == 1
    assert_nameless(text_of(findings) + caplog.text)
