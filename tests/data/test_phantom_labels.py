"""Phantom sites that annotate only some of their structures, and what training makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from site_files import make_site, problems_of

from fedgin.data.annotation import check_annotated, nobody_annotates
from fedgin.data.prepare import PreparedSite, prepare_site
from fedgin.data.sampling import PatchSampler
from fedgin.data.sources import list_cases
from fedgin.errors import ConfigError
from fedgin.settings import ResolvedSettings, make_settings
from fedgin.tasks import get_task

LIVER_AND_SPLEEN = {"liver": 1, "spleen": 2}
LACKING = ("kidney_right", "kidney_left")
FOUR = ["liver", "spleen", *LACKING]


def settings(**more: Any) -> ResolvedSettings:
    return make_settings(task="abdomen", spacing=[12.0, 12.0, None], **more)


def prepare(folder: Path, labels: dict[str, Any] | None, **more: Any) -> PreparedSite:
    return prepare_site(
        make_site(folder, split={"by": "slab", "train": 1.0}, labels=labels), settings(**more)
    )


def test_a_structure_that_is_not_listed_is_gone_from_the_label_map(tmp_path: Path) -> None:
    whole = list_cases(make_site(tmp_path), get_task("abdomen"))[0].load()
    site = make_site(tmp_path, labels=LIVER_AND_SPLEEN, other_labels=[6])
    partly = list_cases(site, get_task("abdomen"))[0].load()
    assert set(np.unique(whole.label.array)) == {0, 1, 2, 3, 4, 5, 6}
    expected = np.where(np.isin(whole.label.array, [1, 2, 6]), whole.label.array, 0)
    assert (partly.label.array == expected).all()
    assert (partly.image.array == whole.image.array).all()


def test_values_must_be_the_phantoms(tmp_path: Path) -> None:
    labels = {"liver": 1, "splen": 2, "kidney_left": 3}
    problems = problems_of(lambda: prepare(tmp_path, labels), ConfigError)
    mends = {problem.where.rpartition("labels.")[2]: problem.mend for problem in problems}
    assert mends == {"splen'": "did you mean 'spleen'?", "kidney_left'": "write kidney_left: 4"}


def test_a_site_that_lacks_classes_is_refused_unless_the_job_says_otherwise(tmp_path: Path) -> None:
    problems = problems_of(lambda: prepare(tmp_path, LIVER_AND_SPLEEN, classes=FOUR), ConfigError)
    assert [problem.rule.rpartition("label ")[2] for problem in problems] == [
        f"'{name}'" for name in LACKING
    ]
    assert "--set partial_labels=marginal" in problems[0].mend
    for way in ("marginal", "background"):
        data = prepare(tmp_path, LIVER_AND_SPLEEN, classes=FOUR, partial_labels=way)
        assert data.not_annotated == LACKING
        (case,) = data.splits["train"]
        assert case.not_annotated == LACKING
        assert set(np.unique(case.label)) == {0, 1, 2}


def test_a_site_that_annotates_nothing_cannot_train(tmp_path: Path) -> None:
    more = {"classes": ["pancreas"], "partial_labels": "marginal"}
    (problem,) = problems_of(lambda: prepare(tmp_path, LIVER_AND_SPLEEN, **more), ConfigError)
    assert "annotates at least one of pancreas" in problem.rule


def test_classes_narrow_a_task_in_its_own_order(tmp_path: Path) -> None:
    data = prepare(tmp_path, None, classes=["spleen", "liver"])
    assert data.not_annotated == ()
    (case,) = data.splits["train"]
    whole = prepare(tmp_path, None).splits["train"][0].label
    assert (case.label == np.where(whole <= 2, whole, 0)).all()
    assert set(np.unique(case.foreground[:, 0])) == {1, 2}


def test_patches_say_which_classes_their_site_knows(tmp_path: Path) -> None:
    more = {"classes": FOUR, "partial_labels": "marginal"}
    (whole,) = prepare(tmp_path, None, **more).splits["train"]
    (partly,) = prepare(tmp_path, LIVER_AND_SPLEEN, **more).splits["train"]
    sampler = PatchSampler([whole, partly], patch_size=(16, 16), foreground_fraction=1.0)
    draws = sampler.draw(40, generator=np.random.default_rng(0))
    known = sampler.known(draws, class_names=FOUR)
    rows = {0: [True] * 5, 1: [True, True, True, False, False]}
    assert known.tolist() == [rows[draw.case] for draw in draws]
    # Patches are centred on structures that there are; each has some of these in it.
    _, labels = sampler.cut(draws)
    assert {draw.case for draw in draws} == {0, 1}
    assert all(labels[number].any() for number in range(40))


def test_a_class_that_no_site_annotates_is_found_and_refused() -> None:
    lacking = {"a": ["kidney_left", "pancreas"], "b": ["liver", "pancreas"]}
    assert nobody_annotates(["liver", "kidney_left", "pancreas"], lacking) == ["pancreas"]
    assert nobody_annotates(["liver", "kidney_left"], lacking) == []
    assert nobody_annotates(["liver"], {}) == []
    with pytest.raises(ConfigError) as caught:
        check_annotated(["liver", "kidney_left", "pancreas"], lacking)
    (problem,) = caught.value.problems
    assert "pancreas" in problem.found
    assert """--set 'classes=["liver","kidney_left"]'""" in problem.mend
