"""A site's files with a fault planted in each: every one is found, under its name."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from made_sets import LABELS, ORGANS, draw_labels, make_pair, write_pair, write_set, write_site

from fedgin.check import site_check
from fedgin.check.look import Terms, look_at
from fedgin.check.report import make_report
from fedgin.check.rules import RULES
from fedgin.check.site_check import CheckedSite, check_site
from fedgin.check.table import summary_words
from fedgin.check.voice import PlainVoice
from fedgin.data.volume import LabelledVolume, Volume
from fedgin.settings import make_settings
from fedgin.sites.lookup import Site

SETTINGS = make_settings(task="abdomen")
NAMES = tuple(f"p{n:02d}" for n in range(8))


def look(site: Site, *, workers: int = 2) -> CheckedSite:
    return check_site(site, SETTINGS, workers=workers)


def told(checked: CheckedSite) -> set[tuple[str, str, tuple[str, ...]]]:
    return {(one.level, one.rule, one.cases) for one in checked.findings}


def test_a_sound_set_has_no_finding_and_is_dealt_to_splits(tmp_path: Path) -> None:
    checked = look(write_set(tmp_path, NAMES))
    assert checked.findings == ()
    assert tuple(checked.cases) == NAMES
    assert set(checked.splits.values()) == {"train", "validation", "test"}
    assert sorted(checked.structures) == sorted(LABELS)
    liver = checked.cases["p00"].structures["liver"]
    assert liver.ml == pytest.approx(0.64 * (draw_labels(seed=0) == 1).sum())


def plant_everything(folder: Path) -> Site:
    """Eight sound cases and one of each fault."""
    root = folder / "data"
    site = write_set(folder, NAMES)
    seeds = iter(range(50, 100))
    swapped = {**ORGANS, 3: ORGANS[4], 4: ORGANS[3]}
    write_pair(root, "swapped", make_pair(seed=next(seeds), organs=swapped))
    write_pair(root, "copy-of-p01", make_pair(seed=1))
    speck = {**ORGANS, 6: ((18, 20), (20, 22), (15, 16))}
    write_pair(root, "speck", make_pair(seed=next(seeds), organs=speck))
    write_pair(root, "thick", make_pair(seed=next(seeds), spacing=(8.0, 8.0, 19.0)))
    write_pair(root, "mr", make_pair(seed=next(seeds), modality="MR"))
    odd = make_pair(seed=next(seeds))
    label = odd.label.array.copy()
    label[0, 0, 0] = 77
    write_pair(root, "value", LabelledVolume(odd.image, Volume(label, odd.label.affine)))
    one = make_pair(seed=next(seeds))
    moved = Volume(one.label.array, one.label.affine + np.eye(4)[:, 3:] @ [[0, 0, 0, 0.0]])
    moved.affine[0, 3] += 4
    write_pair(root, "shifted", LabelledVolume(one.image, moved))
    write_pair(root, "cut", make_pair(seed=next(seeds)))
    image = root / "im/cut.nii.gz"
    image.write_bytes(image.read_bytes()[:-500])
    borrowed = make_pair(seed=next(seeds))
    write_pair(root, "borrowed", LabelledVolume(borrowed.image, make_pair(seed=2).label))
    return site


def test_every_planted_fault_is_found_and_named(tmp_path: Path) -> None:
    checked = look(plant_everything(tmp_path))
    assert told(checked) == {
        ("error", "left and right", ("swapped",)),
        ("error", "one patient, two ids", ("copy-of-p01", "p01")),
        ("error", "intensity", ("mr",)),
        ("error", "label values", ("value",)),
        ("error", "geometry", ("shifted",)),
        ("error", "unreadable", ("cut",)),
        ("error", "same label map", ("borrowed", "p02")),
        ("warning", "tiny", ("speck",)),
        ("warning", "spacing", ("thick",)),
    }
    assert {one.rule for one in checked.findings} <= set(RULES)
    problems = {one.rule: one.problem for one in checked.findings if one.problem}
    assert "truncated" in problems["unreadable"].found
    assert "77 (1 voxels)" in problems["label values"].found
    assert [one.level for one in checked.findings] == ["error"] * 7 + ["warning"] * 2
    assert len(checked.listed) == 17
    assert "cut" not in checked.cases


def test_copies_of_one_patient_and_patients_in_two_splits(tmp_path: Path) -> None:
    site = write_set(tmp_path, NAMES)
    write_pair(tmp_path / "data", "again", make_pair(seed=1))
    entries = [
        {"image": f"im/{name}.nii.gz", "label": f"la/{name}.nii.gz", "patient": patient}
        for name, patient in (("p00", "A"), ("p01", "B"), ("again", "B"), ("p02", "C"))
    ]
    dataset = {"kind": "pairs", "root": str(tmp_path / "data"), "cases": entries}
    split = {"by": "patient", "train": ["A", "B", "C"]}
    site = write_site(tmp_path, dataset=dataset, split=split)
    assert told(look(site)) == {("warning", "same image", ("p01", "again"))}


def test_a_split_that_does_not_fit_is_told_beside_the_cases(tmp_path: Path) -> None:
    site = write_set(tmp_path, NAMES[:3], split={"by": "patient", "train": ["p00", "nobody"]})
    checked = look(site)
    assert {(one.rule, one.problem.rule) for one in checked.findings if one.problem} == {
        ("splits", "every patient named must have a case"),
        ("splits", "every patient must be named"),
    }
    assert len(checked.cases) == 3


def test_a_site_without_data_is_a_finding(tmp_path: Path) -> None:
    (finding,) = look(write_site(tmp_path)).findings
    assert (finding.level, finding.rule) == ("error", "listing")


@dataclass(frozen=True)
class Trap:
    """A case whose reader does not behave."""

    name: str
    act: Callable[[], LabelledVolume]
    fixed_split: str | None = None

    @property
    def patient(self) -> str:
        return self.name

    def content_key(self, hashes: object) -> str:
        return self.name

    def load(self) -> LabelledVolume:
        return self.act()


def be_killed() -> LabelledVolume:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def run_out_of_memory() -> LabelledVolume:
    raise MemoryError("Unable to allocate 4. GiB")


def behave() -> LabelledVolume:
    return make_pair()


def test_a_killed_worker_is_a_finding_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [Trap("killed", be_killed), Trap("sound", behave)]
    monkeypatch.setattr(site_check, "list_cases", lambda site, task: cases)
    checked = look(write_site(tmp_path, split={"by": "test"}), workers=1)
    (finding,) = checked.findings
    assert (finding.level, finding.rule, finding.cases) == ("error", "lost", ("killed",))
    assert "SIGKILL" in finding.text
    assert tuple(checked.cases) == ("sound",)


def test_whatever_a_reader_raises_is_told() -> None:
    terms = Terms(modality="CT", names={0: "background"})
    (fault,) = look_at(Trap("x", run_out_of_memory), terms).faults
    assert fault.rule == "unreadable"
    assert "MemoryError" in fault.problem.found


def test_what_preparing_would_refuse_for_the_task_is_told(tmp_path: Path) -> None:
    site = write_set(tmp_path, NAMES[:3])
    labels = {name: value for name, value in LABELS.items() if name != "liver"}
    misspelt = write_site(tmp_path, labels={**labels, "livr": 1})
    (finding,) = look(misspelt).findings
    assert (finding.level, finding.rule) == ("error", "task")
    assert finding.problem is not None
    assert "needs the label 'liver'" in finding.problem.rule
    assert finding.problem.found.endswith("(is 'livr' this structure?)")
    partial = make_settings(task="abdomen", partial_labels="marginal")
    (finding,) = check_site(misspelt, partial, workers=1).findings
    assert (finding.level, finding.rule) == ("warning", "task")
    assert "no label of liver; partial_labels=marginal lets" in finding.text
    only_tests = write_site(tmp_path, labels={**labels, "livr": 1}, split={"by": "test"})
    assert look(only_tests).findings == ()
    other = [value for value in LABELS.values() if value != 1]
    none = write_site(tmp_path, labels={"thing": 1}, other_labels=other)
    assert ("error", "task", ()) in told(check_site(none, partial, workers=1))
    assert site.config.labels == LABELS


def test_a_value_that_never_occurs_is_a_warning(tmp_path: Path) -> None:
    write_set(tmp_path, NAMES[:2])
    settings = make_settings(task="abdomen", classes=["liver"])
    site = write_site(tmp_path, labels={"liver": 99}, other_labels=list(LABELS.values()))
    checked = check_site(site, settings, workers=1)
    assert ("warning", "never", ()) in told(checked)
    assert "liver never occurs in any of 2 cases" in {one.text for one in checked.findings}


def test_files_that_no_case_has_are_a_warning_and_excluded_cases_are_counted(
    tmp_path: Path,
) -> None:
    site = write_set(tmp_path, NAMES[:4])
    root = tmp_path / "data"
    (root / "im/p01.nii.gz").rename(root / "im/P01.NII.GZ")
    assert told(look(site)) == {
        ("warning", "beside", ("im/P01.NII.GZ",)),
        ("warning", "beside", ("la/p01.nii.gz",)),
    }
    (root / "im/P01.NII.GZ").rename(root / "im/p01.nii.gz")
    dataset = {**site.config.dataset.model_dump(), "exclude": ["p03", "p02"]}
    checked = look(write_site(tmp_path, dataset=dataset))
    assert checked.findings == ()
    assert tuple(checked.cases) == NAMES[:2]
    report = make_report(checked, PlainVoice())
    assert report.excluded == ("p02", "p03")
    assert "2 cases, 2 excluded (p02, p03);" in summary_words(report)
