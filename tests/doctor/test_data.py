"""All problems of a site's data at once, and no patient's name in them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hospital import (
    CANARY,
    CANARY_PARTS,
    OTHERS,
    SHAPE,
    hashed,
    write_hospital,
    write_site_file,
    write_volume,
)
from subjects import TINY

from fedgin.doctor.finding import Finding
from fedgin.doctor.request import make_subject
from fedgin.doctor.runner import CHECKS, run_check
from fedgin.doctor.subject import Notes
from fedgin.settings import make_settings


def look(file: Path) -> list[Finding]:
    """The findings about the site's file and its data, as the command gets them."""
    subject = make_subject(
        file, settings=make_settings(**TINY), kit=None, job=None, time_server=None
    )
    notes = Notes()
    return [finding for check in CHECKS[:2] for finding in run_check(check, subject, notes)]


def text_of(findings: list[Finding]) -> str:
    return "\n".join(finding.model_dump_json() for finding in findings)


def assert_nameless(text: str) -> None:
    for part in CANARY_PARTS:
        assert part not in text.lower(), text


def test_a_sound_site_is_counted(tmp_path: Path) -> None:
    findings = look(write_hospital(tmp_path))
    assert [finding.status for finding in findings] == ["ok", "ok"]
    values = findings[1].values
    assert (values["train_cases"], values["validation_cases"], values["test_cases"]) == (2, 1, 1)
    assert values["training_slices"] == 2 * SHAPE[2]
    assert values["prepared_now"] == 4
    assert look(tmp_path / "hospital-a.yaml")[1].values["prepared_now"] == 0


def test_a_site_that_only_tests_needs_no_training_patients(tmp_path: Path) -> None:
    findings = look(write_hospital(tmp_path, split={"by": "test"}))
    assert [finding.status for finding in findings] == ["ok", "ok", "ok"]
    assert (findings[1].values["train_cases"], findings[1].values["test_cases"]) == (0, 4)
    assert "trains none" in findings[2].found


def test_every_problem_of_every_volume_is_told_by_hash(tmp_path: Path) -> None:
    file = write_hospital(tmp_path)
    root = tmp_path / "data"
    write_volume(root, CANARY, label=np.full(SHAPE, 7, dtype=np.uint8))
    write_volume(root, "p01", image=np.full(SHAPE, np.nan, dtype=np.float32))
    (root / "la/p02.nii.gz").unlink()
    image = root / "im/p03.nii.gz"
    image.write_bytes(image.read_bytes()[:-100])
    failures = [finding for finding in look(file) if finding.status == "failed"]
    told = {finding.name: finding.found for finding in failures}
    hashes = {name: hashed(name) for name in (CANARY, *OTHERS)}
    assert "7 (5760 voxels)" in told[f"case #{hashes[CANARY]}"]
    assert "NaN" in told[f"case #{hashes['p01']}, image"]
    assert "no such file" in told[f"case #{hashes['p02']}, label map"]
    assert "truncated" in told[f"case #{hashes['p03']}, image"]
    assert len(told) == 4
    assert all(finding.mend for finding in failures)
    assert_nameless(text_of(failures))
    for name in OTHERS:
        assert name not in text_of(failures)


def test_a_scan_is_told_with_its_patients_hash(tmp_path: Path) -> None:
    scan = f"{CANARY}_visit2"
    dataset = {
        "kind": "glob",
        "root": str(tmp_path / "data"),
        "images": "im/*.nii.gz",
        "labels": "la/*.nii.gz",
        "patient": "(.+)_visit",
    }
    file = write_hospital(tmp_path, names=(scan, "p01_visit1"), dataset=dataset)
    write_volume(tmp_path / "data", scan, label=np.full(SHAPE, 7, dtype=np.uint8))
    (failure,) = [finding for finding in look(file) if finding.status == "failed"]
    # The hash by which the site's own score files name the patient.
    assert failure.name.endswith(f"of patient #{hashed(CANARY)}")
    assert_nameless(text_of([failure]))


def broken_regex(folder: Path) -> Path:
    dataset = {"kind": "glob", "images": "im/*.nii.gz", "labels": "la/*.nii.gz", "patient": "^(q)"}
    return write_hospital(folder, dataset={**dataset, "root": str(folder / "data")})


def broken_datalist(folder: Path) -> Path:
    file = write_hospital(
        folder, dataset={"kind": "datalist", "root": str(folder / "data"), "file": "list.json"}
    )
    padding = "x" * 80
    entries: list[Any] = [
        {"image": f"im/{CANARY}.nii.gz"},
        {"label": padding, "image": 3, "patient": CANARY},  # cut within the name
        f"{CANARY}.nii.gz",
        [CANARY],
    ]
    (folder / "data/list.json").write_text(json.dumps({"training": entries}))
    return file


def repeated_case(folder: Path) -> Path:
    entry = {"image": f"im/{CANARY}.nii.gz", "label": f"la/{CANARY}.nii.gz", "patient": CANARY}
    dataset = {"kind": "pairs", "root": str(folder / "data"), "cases": [entry, entry]}
    return write_hospital(folder, dataset=dataset)


def unknown_patients(folder: Path) -> Path:
    split = {"by": "patient", "train": ["p01", f"{CANARY}-b"], "test": ["p02"]}
    return write_hospital(folder, split=split)


def patient_in_two_splits(folder: Path) -> Path:
    split = {"by": "patient", "train": [CANARY, "p01", "p02", "p03"], "test": [CANARY]}
    return write_hospital(folder, split=split)


def root_that_is_none(folder: Path) -> Path:
    return write_site_file(
        folder,
        dataset={
            "kind": "glob",
            "root": str(folder / CANARY / "scans"),
            "images": "*.nii",
            "labels": "la/*.nii",
        },
    )


def folder_for_a_file(folder: Path) -> Path:
    file = write_hospital(folder)
    (folder / f"data/im/{CANARY}.nii.gz").unlink()
    (folder / f"data/im/{CANARY}.nii.gz").mkdir()
    return file


def unknown_key_in_a_case(folder: Path) -> Path:
    case = {"image": f"{CANARY}.nii.gz", "label": "x.nii.gz", CANARY: 1}
    return write_site_file(folder, dataset={"kind": "pairs", "root": ".", "cases": [case]})


def split_of_another_form(folder: Path) -> Path:
    return write_site_file(folder, split={"by": "patient", "train": {CANARY: 1}, "test": CANARY})


def data_set_of_another_form(folder: Path) -> Path:
    return write_site_file(folder, dataset=CANARY)


def broken_syntax(folder: Path) -> Path:
    file = write_site_file(folder)
    file.write_text(file.read_text() + f"cases: [ {{image: {CANARY}.nii.gz, label: ]\n")
    return file


def nothing_segmented(folder: Path) -> Path:
    file = write_hospital(folder)
    write_volume(folder / "data", CANARY, label=np.zeros(SHAPE, dtype=np.uint8))
    return file


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (broken_regex, "must match 'dataset.patient'"),
        (broken_datalist, "datalist: training[1]"),
        (repeated_case, "every case must stand once"),
        (unknown_patients, "every patient named must have a case"),
        (unknown_patients, "every patient must be named"),
        (patient_in_two_splits, "patient #HASH"),
        (root_that_is_none, "dataset.root"),
        (folder_for_a_file, "regular file"),
        (unknown_key_in_a_case, "only known keys are allowed"),
        (split_of_another_form, "key 'split.patient.train'"),
        (data_set_of_another_form, "key 'dataset'"),
        (broken_syntax, "an error at line"),
        (nothing_segmented, "1 of 4 cases hold no structure of task 'heart'"),
    ],
)
def test_no_refusal_names_a_patient(
    make: Callable[[Path], Path],
    words: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    logging.getLogger().addHandler(shown := logging.StreamHandler())
    try:
        with caplog.at_level(logging.DEBUG):
            findings = look(make(tmp_path))
    finally:
        logging.getLogger().removeHandler(shown)
    assert any(finding.status in ("failed", "warning") for finding in findings)
    assert words.replace("HASH", hashed(CANARY)) in "\n".join(
        f"{finding.name} {finding.found}" for finding in findings
    )
    printed = capfd.readouterr()
    for text in (text_of(findings), printed.out, printed.err, caplog.text):
        assert_nameless(text)


def test_a_misspelt_key_is_shown_with_the_nearest(tmp_path: Path) -> None:
    findings = look(write_site_file(tmp_path, modalty="CT"))
    failure = findings[0]
    assert failure.status == "failed"
    assert failure.name == "hospital-a.yaml"
    assert "unknown 'modalty' (did you mean 'modality'?)" in failure.found
    # Data cannot be looked at, and that is said.
    assert findings[1].status == "skipped"


def test_a_split_without_patients_is_told(tmp_path: Path) -> None:
    split = {"by": "patient", "train": [CANARY, *OTHERS]}
    told = {finding.name: finding for finding in look(write_hospital(tmp_path, split=split))}
    assert told["split validation"].status == "warning"
    assert told["split test"].status == "warning"
    assert told["volumes"].status == "ok"


def test_a_site_that_lacks_classes_is_refused_or_told_what_the_job_makes_of_it(
    tmp_path: Path,
) -> None:
    file = write_hospital(tmp_path, labels={"liver": 1})
    abdomen = {**TINY, "task": "abdomen", "classes": ["liver", "spleen", "pancreas"]}

    def findings(**more: Any) -> list[Finding]:
        settings = make_settings(**abdomen, **more)
        subject = make_subject(file, settings=settings, kit=None, job=None, time_server=None)
        notes = Notes()
        return [finding for check in CHECKS[:2] for finding in run_check(check, subject, notes)][1:]

    refused = findings()
    assert {finding.status for finding in refused} == {"failed"}
    assert "partial_labels=marginal" in refused[0].mend
    told = {finding.name: finding for finding in findings(partial_labels="marginal")}
    assert told["annotation"].status == "ok"
    assert told["annotation"].found == (
        "liver annotated; not spleen, pancreas, which the job takes as unknown here"
    )
    assert told["volumes"].status == "ok"
