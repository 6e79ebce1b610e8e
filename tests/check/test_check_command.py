"""`fedgin check` as a user runs it: what it prints, writes and exits with, and whom it names."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest
from made_sets import LABELS, ORGANS, make_pair, write_pair, write_set, write_site
from pydantic import ValidationError
from typer.testing import CliRunner, Result

from fedgin.check.report import CheckReport
from fedgin.cli import build_app
from fedgin.data.volume import LabelledVolume, Volume
from fedgin.documents import parse_json
from fedgin.errors import ConfigError
from fedgin.sites.lookup import Site
from fedgin.sites.pseudonyms import patient_hash, site_secret

CANARY = "Zwolle_Jan-19560229"
CANARY_PARTS = ("zwolle", "19560229")


def call(*arguments: str) -> Result:
    command = ["check", "--task", "abdomen", "--workers", "1", *arguments]
    return CliRunner().invoke(build_app(), command, catch_exceptions=False)


def report_of(result: Result) -> CheckReport:
    return CheckReport.model_validate(parse_json(result.stdout))


def test_a_sound_site_by_its_path(tmp_path: Path) -> None:
    site = write_set(tmp_path, ("p1", "p2", "p3"))
    page = tmp_path / "check.html"
    result = call(str(site.path), "--html", str(page))
    assert result.exit_code == 0
    assert "hospital-a (CT), task abdomen: 3 cases" in result.stdout
    assert "0 errors, 0 warnings" in result.stdout
    assert "kidney_left" in result.stdout
    assert "3 cases in" in result.stderr
    html = page.read_text(encoding="utf-8")
    assert html.count("<img ") == 3
    assert "No rule is broken." in html
    assert stat.S_IMODE(page.stat().st_mode) == 0o600


def test_a_site_by_its_name_and_a_fault_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_set(tmp_path, ("p1", "p2"))
    swapped = {**ORGANS, 3: ORGANS[4], 4: ORGANS[3]}
    write_pair(tmp_path / "data", "p3", make_pair(seed=30, organs=swapped))
    monkeypatch.setenv("FEDGIN_SITE_CONFIGS", str(tmp_path))
    result = call("hospital-a", "--json")
    assert result.exit_code == 1
    report = report_of(result)
    assert (report.format, report.passed, report.hashed) == (1, False, False)
    assert report.counts == {"error": 1, "warning": 0}
    (finding,) = report.findings
    assert (finding.rule, finding.cases) == ("left and right", ("p3",))
    assert [(case.case, case.errors) for case in report.cases] == [("p1", 0), ("p2", 0), ("p3", 1)]
    assert report.cases[0].spacing_mm == (8.0, 8.0, 10.0)
    document = parse_json(result.stdout)
    for change in ({"format": 2}, {"more": 1}):
        with pytest.raises(ValidationError):
            CheckReport.model_validate({**document, **change})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere.yaml"),
        (["./nowhere.yaml"], "no such file"),
        (["site-1", "--task", "abdomn"], "did you mean 'abdomen'?"),
        (["site-1", "--html", "/nowhere/check.html"], "--html"),
    ],
)
def test_a_wrong_argument_is_refused_with_the_mend(arguments: list[str], words: str) -> None:
    # The entry point turns these into exit code 2.
    with pytest.raises(ConfigError) as refused:
        call(*arguments)
    assert words in str(refused.value)
    assert "Mend: " in str(refused.value)


def test_an_unfit_number_of_workers_exits_with_2() -> None:
    assert call("site-1", "--workers", "0").exit_code == 2


def write_telling_site(folder: Path) -> Site:
    """A site whose files are called after a patient, with faults that quote them."""
    root = folder / "data"
    site = write_set(folder, ("p01", CANARY))
    write_pair(root, f"{CANARY}_copy", make_pair(seed=1))
    odd = make_pair(seed=40)
    label = odd.label.array.copy()
    label[0, 0, 0] = 77
    write_pair(root, f"{CANARY}_value", LabelledVolume(odd.image, Volume(label, odd.label.affine)))
    constant = Volume(np.zeros_like(odd.image.array), odd.image.affine)
    write_pair(root, f"{CANARY}_flat", LabelledVolume(constant, make_pair(seed=41).label))
    write_pair(root, f"{CANARY}_cut", make_pair(seed=42))
    image = root / f"im/{CANARY}_cut.nii.gz"
    image.write_bytes(image.read_bytes()[:-300])
    write_pair(root, f"{CANARY}_alone", make_pair(seed=43))
    (root / f"la/{CANARY}_alone.nii.gz").unlink()
    return site


def assert_nameless(text: str, folder: Path) -> None:
    for part in (*CANARY_PARTS, str(folder), "p01", "hospital-a.yaml", ".nii"):
        assert part not in text.lower(), part


def test_hashes_leave_no_name_and_no_path_anywhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = write_telling_site(tmp_path)
    page = tmp_path / "check.html"
    shown = call(str(site.path), "--hash-ids", "--html", str(page))
    printed = call(str(site.path), "--hash-ids", "--json")
    assert shown.exit_code == printed.exit_code == 1
    html = page.read_text(encoding="utf-8")
    for text in (shown.output, shown.stderr, printed.output, html, caplog.text):
        assert_nameless(text, tmp_path)
    assert "<img" not in html
    report = report_of(printed)
    assert report.hashed
    # By the hash the site finds its case again.
    secret = site_secret(site)
    hashes = {f"#{patient_hash('hospital-a', name, secret=secret)}" for name in (CANARY, "p01")}
    assert hashes <= {case.case for case in report.cases}
    assert {finding.rule for finding in report.findings} == {
        "one patient, two ids",
        "label values",
        "intensity",
        "unreadable",
    }
    found = " ".join(finding.found for finding in report.findings)
    for words in ("truncated", "77 (1 voxels)", "every voxel at 0", "no such file", "label map: "):
        assert words in found
    # The same without hashes names the files, so that they can be mended, in the table too.
    table = call(str(site.path)).stdout
    in_a_column = "".join(line.split("│")[4].strip() for line in table.splitlines() if "│" in line)
    assert f"{tmp_path}/data/im/{CANARY}_cut.nii.gz" in in_a_column


def test_hashes_cover_what_cannot_be_listed_or_read(tmp_path: Path) -> None:
    dataset = {"kind": "glob", "root": str(tmp_path / CANARY), "images": "*.nii", "labels": "*.nii"}
    site = write_site(tmp_path, dataset={**dataset, "labels": "la/*.nii"})
    result = call(str(site.path), "--hash-ids")
    assert result.exit_code == 1
    assert "dataset.root" in result.stdout
    for part in (*CANARY_PARTS, str(tmp_path)):
        assert part not in result.output.lower()
    site.path.write_text(site.path.read_text() + f"unknown: {CANARY}\n")
    with pytest.raises(ConfigError) as refused:
        call(str(site.path), "--hash-ids")
    for part in (*CANARY_PARTS, str(tmp_path)):
        assert part not in str(refused.value).lower()
    assert "fedgin doctor" in str(refused.value)


def test_hashes_stand_for_files_beside_the_cases_and_for_excluded_ones(tmp_path: Path) -> None:
    site = write_set(tmp_path, (CANARY, "p01", "p02"))
    (tmp_path / "data" / "im" / f"{CANARY}_odd.NII").touch()
    dataset = {**site.config.dataset.model_dump(), "exclude": [CANARY]}
    site = write_site(tmp_path, dataset=dataset)
    printed = call(str(site.path), "--hash-ids", "--json")
    shown = call(str(site.path), "--hash-ids")
    for text in (printed.output, shown.output):
        assert_nameless(text, tmp_path)
    report = report_of(printed)
    secret = site_secret(site)
    assert report.excluded == (f"#{patient_hash('hospital-a', CANARY, secret=secret)}",)
    assert [finding.rule for finding in report.findings] == ["beside"]
    unknown = {**dataset, "exclude": [f"{CANARY}-typo"]}
    refused = call(str(write_site(tmp_path, dataset=unknown).path), "--hash-ids")
    assert refused.exit_code == 1
    assert "dataset.exclude" in refused.stdout
    for part in (*CANARY_PARTS, str(tmp_path)):
        assert part not in refused.output.lower()


def test_a_site_is_compared_with_the_task_as_the_settings_say(tmp_path: Path) -> None:
    labels = {name: value for name, value in LABELS.items() if name != "liver"}
    write_set(tmp_path, ("p1", "p2", "p3"))
    site = write_site(tmp_path, labels={**labels, "lever": LABELS["liver"]})
    refused = call(str(site.path), "--json")
    assert refused.exit_code == 1
    assert [finding.rule for finding in report_of(refused).findings] == ["task"]
    allowed = call(str(site.path), "--json", "--set", "partial_labels=marginal")
    assert allowed.exit_code == 0
    assert report_of(allowed).counts == {"error": 0, "warning": 1}
