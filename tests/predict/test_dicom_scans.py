"""DICOM in, DICOM SEG out: the segments lie where the network found them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scans import ct_blob, make_model, tiny_settings

from fedgin.errors import ConfigError
from fedgin.predict.case import Choices
from fedgin.predict.inputs import find_inputs
from fedgin.predict.outputs import open_folder
from fedgin.predict.report import CaseReport
from fedgin.predict.runner import predict_all

pydicom = pytest.importorskip("pydicom")
seg = pytest.importorskip("fedgin.data.dicom.seg")
series = pytest.importorskip("fedgin.data.dicom.series")


def write_series(
    folder: Path, array: np.ndarray, *, modality: str = "CT", image_type: str = "AXIAL"
) -> None:
    """Writes a CT of 2 x 2 x 5 mm, shape (columns, rows, slices), HU, in a shuffled order."""
    folder.mkdir(parents=True)
    kind = {
        "CT": pydicom.uid.CTImageStorage,
        "MR": pydicom.uid.MRImageStorage,
        "PT": pydicom.uid.PositronEmissionTomographyImageStorage,
    }[modality]
    uids = {name: pydicom.uid.generate_uid() for name in ("study", "series", "frame")}
    for place in range(array.shape[2]):
        data: Any = pydicom.Dataset()
        data.SOPClassUID, data.SOPInstanceUID = kind, pydicom.uid.generate_uid()
        data.StudyInstanceUID, data.SeriesInstanceUID = uids["study"], uids["series"]
        data.FrameOfReferenceUID = uids["frame"]
        data.ImageType = ["ORIGINAL", "PRIMARY", image_type]
        data.Modality, data.PatientID, data.PatientName = modality, "p-1", "DOE^JANE"
        data.Rows, data.Columns = array.shape[1], array.shape[0]
        data.ImagePositionPatient = [10, -20, 30 + 5 * place]
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.SliceThickness = [2, 2], 5
        data.RescaleSlope, data.RescaleIntercept = 1, -1024
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.PixelRepresentation = 0
        data.PixelData = (array[:, :, place].T + 1024).clip(0).astype("<u2").tobytes()
        data.file_meta = pydicom.dataset.FileMetaDataset()
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = kind
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        name = f"{(place * 7) % array.shape[2]:03d}.dcm"
        data.save_as(folder / name, enforce_file_format=True)


def run(source: Path, out: Path, **choices: Any) -> list[CaseReport]:
    found = find_inputs(source)
    open_folder(out, found.inputs, source=source, force=False)
    model = make_model(tiny_settings("abdomen"))
    return predict_all(model, found, out, choices=Choices(**choices), overlays=True)


def test_a_series_gets_a_segmentation_on_its_own_slices(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    write_series(source / "scan-1", ct_blob((30, 28, 12)))
    with caplog.at_level(logging.INFO):
        (report,) = run(source, out)
    # Other libraries' lines name the objects by their identifiers.
    assert [record.name for record in caplog.records if "highdicom" in record.name] == []
    assert not report.failed, report.problems
    assert (report.modality, report.modality_source) == ("CT", "header")
    read = series.read_series(source / "scan-1")
    label = nib.load(out / "scan-1.nii.gz")
    np.testing.assert_allclose(label.affine, read.volume.affine, atol=1e-5)
    written = seg.read_seg(out / "scan-1_seg.dcm", read)
    classes = np.asarray(label.dataobj)
    assert len(np.unique(classes)) > 2
    assert np.array_equal(written.array, classes)
    assert (out / "scan-1_overlay.png").is_file()
    for name in ("scan-1.nii.gz", "predictions.json", "volumes.csv"):
        assert b"DOE" not in (out / name).read_bytes()


def test_the_same_voxels_give_the_same_labels_from_dicom_and_nifti(tmp_path: Path) -> None:
    write_series(tmp_path / "in/one", ct_blob())
    volume = series.read_series(tmp_path / "in/one").volume
    nib.save(nib.Nifti1Image(volume.array, volume.affine), tmp_path / "in/two.nii.gz")
    run(tmp_path / "in", tmp_path / "out")
    one, two = (nib.load(tmp_path / f"out/{name}.nii.gz") for name in ("one", "two"))
    assert np.array_equal(np.asarray(one.dataobj), np.asarray(two.dataobj))
    np.testing.assert_allclose(one.affine, two.affine, atol=1e-5)


def test_a_series_is_of_the_modality_that_its_header_says(tmp_path: Path) -> None:
    write_series(tmp_path / "in/mr", abs(ct_blob()), modality="MR")
    write_series(tmp_path / "in/ct", ct_blob())
    reports = {
        report.name: report for report in run(tmp_path / "in", tmp_path / "out", modality="MR")
    }
    assert reports["mr"].modality == "MR"
    assert reports["ct"].failed
    assert "--modality MR, header CT" in reports["ct"].problems[0]


def test_a_study_s_pet_and_localizers_are_left_out_and_the_ct_is_segmented(tmp_path: Path) -> None:
    study = tmp_path / "in/study"
    write_series(study / "CT", ct_blob())
    write_series(study / "PET", ct_blob(), modality="PT")
    write_series(study / "SCOUT", ct_blob()[:, :, :2], image_type="LOCALIZER")
    write_series(study / "TOPOGRAM", ct_blob()[:, :, :1], image_type="LOCALIZER")
    (report,) = run(tmp_path / "in", tmp_path / "out")
    assert not report.failed, report.problems
    content = json.loads((tmp_path / "out/predictions.json").read_text())
    assert content["left_out"] == {
        "study/PET/": "DICOM without a CT or MR image (12 PET)",
        "study/SCOUT/": "2 localizers",
        "study/TOPOGRAM/": "1 localizer",
    }
    # A localizer among a series' slices is nothing to leave out unseen.
    (study / "SCOUT/000.dcm").rename(study / "CT/scout.dcm")
    (report,) = run(tmp_path / "in", tmp_path / "again")
    assert "localizer" in " ".join(report.problems)


def test_a_study_with_its_segmentation_is_segmented_without_a_failure(tmp_path: Path) -> None:
    """As an archive exports it: patient, study, series; the SEG is of an earlier run."""
    study, out = tmp_path / "in/p-1/study", tmp_path / "out"
    write_series(study / "CT", ct_blob())
    read = series.read_series(study / "CT")
    (study / "SEG").mkdir()
    labels = np.zeros(read.volume.array.shape, np.uint8)
    labels[4:8, 4:8, 2:5] = 1
    seg.write_seg(study / "SEG/1.dcm", series=read, labels=labels, names={1: "liver"})
    (report,) = run(tmp_path / "in", out)
    assert not report.failed, report.problems
    assert (out / "p-1_study_CT.nii.gz").is_file()
    content = json.loads((out / "predictions.json").read_text())
    assert content["left_out"] == {"p-1/study/SEG/": "DICOM without a CT or MR image (1 SEG)"}
    # Results of this run, laid into the study, are no scans of the next.
    (study / "RESULTS").mkdir()
    for file in out.iterdir():
        file.rename(study / "RESULTS" / file.name)
    assert len(run(tmp_path / "in", tmp_path / "again")) == 1
    with pytest.raises(ConfigError, match="the folder of the scans"):
        run(tmp_path / "in", study / "CT")
