"""A site's file: every kind of data set, and every rule it can break."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedgin.config import parse
from fedgin.errors import ConfigError, Problem
from fedgin.sites.data_sets import AdapterData, MaskData
from fedgin.sites.folders import expand_variables
from fedgin.sites.schema import DatalistData, GlobbedData, ListedData, PhantomData, SiteConfig
from fedgin.sites.splits import FractionSplit, OnlyTestSplit, OwnSplit, PatientSplit, SlabSplit

PHANTOM = {"kind": "phantom", "protocol": "arterial", "seed": 1, "cases": 4}
GLOB = {"kind": "glob", "root": "/data", "images": "im/*.nii.gz", "labels": "la/*.nii.gz"}
LABELS = {"liver": 1, "kidney": [2, 3]}


def site(**values: Any) -> SiteConfig:
    return parse(SiteConfig, {"modality": "CT", "dataset": PHANTOM, **values}, where="s.yaml")


def refused(**values: Any) -> Problem:
    with pytest.raises(ConfigError) as caught:
        site(**values)
    (problem,) = caught.value.problems
    return problem


# ---------------------------------------------------------------- kinds of data sets


def test_a_phantom_site_needs_no_labels() -> None:
    read = site()
    assert read.dataset == PhantomData(**PHANTOM)
    assert read.labels is None


def test_defaults_share_nothing_and_split_by_patient() -> None:
    read = site()
    assert read.share_images is False
    assert read.split == FractionSplit(validation=0.15, test=0.25, seed=0)
    assert read.device == "auto"
    assert read.cache.quota_gb == 20.0


def test_listed_pairs_are_read() -> None:
    cases = [{"image": "a", "label": "b"}, {"image": "c", "label": "d", "patient": "p"}]
    read = site(dataset={"kind": "pairs", "root": "/data", "cases": cases}, labels=LABELS)
    assert isinstance(read.dataset, ListedData)
    assert [case.patient for case in read.dataset.cases] == [None, "p"]
    assert read.labels == {"liver": 1, "kidney": (2, 3)}


def test_patterns_are_read() -> None:
    read = site(dataset={**GLOB, "patient": r"^(\d+)_"}, labels=LABELS)
    assert isinstance(read.dataset, GlobbedData)
    assert read.dataset.images == "im/*.nii.gz"


def test_a_datalist_is_read() -> None:
    dataset = {"kind": "datalist", "root": "/data", "file": "dataset.json"}
    assert site(dataset=dataset, labels=LABELS).dataset == DatalistData(**dataset)


def test_masks_and_adapters_bring_their_own_labels() -> None:
    cases = [{"image": "a/ct.nii.gz", "masks": "a/segmentations", "patient": "a"}]
    masks = {"kind": "masks", "root": "/d", "structures": ["liver", "spleen"], "cases": cases}
    dataset = site(dataset=masks).dataset
    assert isinstance(dataset, MaskData)
    assert dataset.label_values == {"liver": 1, "spleen": 2}
    adapter = {"kind": "adapter", "name": "amos22", "root": "/d"}
    assert site(dataset=adapter).dataset == AdapterData(**adapter)


def test_an_own_split_may_let_training_patients_validate() -> None:
    read = site(split={"by": "own", "validation": 0.2})
    assert read.split == OwnSplit(by="own", validation=0.2, seed=0)
    assert refused(split={"by": "own", "validation": 1}).where.endswith("split.own.validation'")


def test_an_unknown_kind_lists_the_known_ones() -> None:
    problem = refused(dataset={"kind": "bids"})
    assert problem.where == "s.yaml: key 'dataset.kind'"
    kinds = ("phantom", "pairs", "glob", "datalist", "masks", "dicom", "adapter")
    assert all(kind in problem.rule for kind in kinds)
    assert "bids" in problem.found


def test_a_missing_kind_is_named() -> None:
    problem = refused(dataset={"root": "/data"})
    assert problem.where == "s.yaml: key 'dataset.kind'"
    assert (problem.rule, problem.found) == ("the key is required", "no such key")


def test_an_unknown_key_of_a_data_set_names_the_nearest() -> None:
    problem = refused(dataset={**PHANTOM, "sed": 3})
    assert problem.where.startswith("s.yaml: key 'dataset")
    assert "'sed' (did you mean 'seed'?)" in problem.found


@pytest.mark.parametrize(
    ("dataset", "key"),
    [
        ({**PHANTOM, "cases": 0}, "cases"),
        ({**PHANTOM, "cases": 10_001}, "cases"),
        ({**PHANTOM, "seed": -1}, "seed"),
        ({"kind": "pairs", "root": "/d", "cases": [{"image": "a"}]}, "cases.0.label"),
        ({"kind": "pairs", "root": "/d", "cases": [{"image": 1, "label": "b"}]}, "cases.0.image"),
        ({"kind": "datalist", "root": "/d"}, "file"),
        ({"kind": "glob", "root": "/d", "images": "*.nii"}, "labels"),
        ({"kind": "masks", "root": "/d", "structures": ["a"]}, "cases"),
        ({"kind": "masks", "root": "/d", "structures": "a", "cases": []}, "structures"),
        ({"kind": "adapter", "root": "/d"}, "name"),
        ({"kind": "adapter", "root": "/d", "name": "amos21"}, "name"),
    ],
)
def test_a_wrong_key_of_a_data_set_is_named(dataset: dict[str, Any], key: str) -> None:
    problem = refused(dataset=dataset, labels=LABELS)
    assert problem.where == f"s.yaml: key 'dataset.{dataset['kind']}.{key}'"


# ---------------------------------------------------------------- patterns


@pytest.mark.parametrize("key", ["images", "labels"])
@pytest.mark.parametrize(
    "pattern", ["im/a.nii", "*/*.nii", "**/a.nii", "im/?*.nii", "im/[ab]*.nii", ""]
)
def test_a_pattern_has_one_star_and_no_other_wildcard(key: str, pattern: str) -> None:
    problem = refused(dataset={**GLOB, key: pattern}, labels=LABELS)
    assert problem.where == f"s.yaml: key 'dataset.glob.{key}'"
    assert problem.rule == "the pattern needs exactly one '*' and no other wildcard"
    assert problem.found == repr(pattern)
    assert problem.mend


@pytest.mark.parametrize("key", ["images", "labels"])
def test_a_pattern_lies_below_the_root(key: str) -> None:
    problem = refused(dataset={**GLOB, key: "/im/*.nii"}, labels=LABELS)
    assert problem.where == f"s.yaml: key 'dataset.glob.{key}'"
    assert "relative to the data root" in problem.rule
    assert problem.found == "'/im/*.nii'"


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [("(a", "does not compile"), ("a", "exactly one group"), ("(a)(b)", "exactly one group")],
)
def test_a_patient_pattern_has_one_group(pattern: str, rule: str) -> None:
    problem = refused(dataset={**GLOB, "patient": pattern}, labels=LABELS)
    assert problem.where == "s.yaml: key 'dataset.glob.patient'"
    assert rule in problem.rule
    assert problem.found == repr(pattern)


# ---------------------------------------------------------------- environment


def test_variables_are_replaced_everywhere_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGIN_A", "/one")
    monkeypatch.setenv("FEDGIN_B", "two")
    assert expand_variables("${FEDGIN_A}/x/${FEDGIN_B}${FEDGIN_B}") == "/one/x/twotwo"
    assert expand_variables("$FEDGIN_A/plain") == "$FEDGIN_A/plain"


def test_a_value_is_not_expanded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGIN_A", "${FEDGIN_B}")
    monkeypatch.setenv("FEDGIN_B", "no")
    assert expand_variables("${FEDGIN_A}") == "${FEDGIN_B}"


def test_root_and_cache_may_name_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FEDGIN_A", str(tmp_path))
    dataset = {**GLOB, "root": "${FEDGIN_A}/in"}
    read = site(dataset=dataset, labels=LABELS, cache={"folder": "${FEDGIN_A}/c"})
    assert isinstance(read.dataset, GlobbedData)
    assert read.dataset.root == f"{tmp_path}/in"
    assert read.cache.folder == f"{tmp_path}/c"


@pytest.mark.parametrize("value", [None, ""])
def test_an_unset_variable_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("FEDGIN_A", raising=False)
    if value is not None:
        monkeypatch.setenv("FEDGIN_A", value)
    problem = refused(dataset={**GLOB, "root": "${FEDGIN_A}/in"}, labels=LABELS)
    assert problem.where == "s.yaml: key 'dataset.glob.root'"
    assert problem.rule == "the environment variable FEDGIN_A must be set"
    assert problem.found == "'${FEDGIN_A}/in'"


# ---------------------------------------------------------------- labels


ONCE, RANGE = "a value may stand for one structure, once", "label values are 1 to 65535"


@pytest.mark.parametrize(
    ("labels", "other", "key", "rule", "found"),
    [
        ({"a": 1, "b": 1}, [], "labels.b", ONCE, "1, which stands for 'a' already"),
        ({"a": [1, 2], "b": [2, 3]}, [], "labels.b", ONCE, "2, which stands for 'a' already"),
        ({"a": [1, 1]}, [], "labels.a", ONCE, "1, which stands for 'a' already"),
        ({"a": 1}, [1], "other_labels", ONCE, "1, which stands for 'a' already"),
        ({"a": 0}, [], "labels.a", RANGE, "0"),
        ({"a": [1, 65536]}, [], "labels.a", RANGE, "65536"),
        ({"a": 1}, [-3], "other_labels", RANGE, "-3"),
        ({"a": []}, [], "labels.a", "a structure needs at least one value", "none"),
    ],
)
def test_label_values_are_unambiguous(
    labels: dict[str, Any], other: list[int], key: str, rule: str, found: str
) -> None:
    problem = refused(labels=labels, other_labels=other)
    assert problem.where == f"s.yaml: key '{key}'"
    assert (problem.rule, problem.found) == (rule, found)
    assert problem.mend


def test_every_unfit_label_value_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        site(labels={"a": 0, "b": 70000, "c": [1, 1]}, other_labels=[1])
    assert [problem.where.removeprefix("s.yaml") for problem in caught.value.problems] == [
        ": key 'labels.a'",
        ": key 'labels.b'",
        ": key 'labels.c'",
        ": key 'other_labels'",
    ]


def test_files_need_labels() -> None:
    problem = refused(dataset=GLOB)
    assert problem.rule.startswith("labels is required")


@pytest.mark.parametrize("value", ["one", [1, "two"], {"a": 1}, 1.5, None])
def test_a_label_value_is_a_number_or_a_list_and_told_as_one_problem(value: Any) -> None:
    problem = refused(labels={"liver": value})
    assert problem.where == "s.yaml: key 'labels.liver'"
    assert problem.rule == "a structure needs a whole number, or a list of them"
    assert problem.found == repr(value)


@pytest.mark.parametrize(
    ("kind", "mend"), [("pair", "did you mean 'pairs'?"), ("zzz", "allowed: adapter, datalist")]
)
def test_an_unknown_kind_of_data_names_the_known_ones_not_the_cases(kind: str, mend: str) -> None:
    cases = [{"image": f"patient-{n}", "label": "l"} for n in range(50)]
    problem = refused(dataset={"kind": kind, "root": "/data", "cases": cases}, labels=LABELS)
    assert problem.where == "s.yaml: key 'dataset.kind'"
    assert "pairs, glob, datalist" in problem.rule
    assert problem.found == f"'{kind}'"
    assert mend in problem.mend


# ---------------------------------------------------------------- splits


@pytest.mark.parametrize(
    "split",
    [
        {"by": "fraction", "validation": 0.5, "test": 0.5},
        {"by": "fraction", "validation": 0.8, "test": 0.9},
        {"by": "fraction", "validation": 0.76},  # with the default 0.25 to test
    ],
)
def test_fractions_leave_patients_to_train_on(split: dict[str, Any]) -> None:
    problem = refused(split=split)
    assert problem.where == "s.yaml: key 'split.fraction'"
    assert problem.rule == "validation + test must leave patients for training"
    assert str(split["validation"]) in problem.found


@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
@pytest.mark.parametrize("key", ["validation", "test"])
def test_a_fraction_lies_between_0_and_1(key: str, value: float) -> None:
    problem = refused(split={"by": "fraction", key: value})
    assert problem.where == f"s.yaml: key 'split.fraction.{key}'"
    assert problem.found == repr(value)


def test_patients_are_texts() -> None:
    read = site(split={"by": "patient", "train": ["1"], "test": ["2"]})
    assert read.split == PatientSplit(by="patient", train=("1",), test=("2",))
    problem = refused(split={"by": "patient", "train": [1]})
    assert problem.where == "s.yaml: key 'split.patient.train.0'"
    assert (problem.rule, problem.mend) == ("the value must be text", "put it in quotes")


def test_slabs_share_one_volume() -> None:
    read = site(split={"by": "slab", "train": 0.7, "validation": 0.1, "test": 0.2})
    assert isinstance(read.split, SlabSplit)
    problem = refused(split={"by": "slab", "train": 0.7, "validation": 0.2, "test": 0.2})
    assert problem.where == "s.yaml: key 'split.slab'"
    assert problem.rule == "train + validation + test must be at most 1"
    assert refused(split={"by": "slab", "train": 0}).where == "s.yaml: key 'split.slab.train'"


def test_all_patients_may_test() -> None:
    assert site(split={"by": "test"}).split == OnlyTestSplit(by="test")
    assert "by" in refused(split={"by": "test", "train": ["a"]}).found


def test_an_unknown_split_lists_the_known_ones() -> None:
    problem = refused(split={"by": "slice"})
    assert problem.where == "s.yaml: key 'split.by'"
    assert all(name in problem.rule for name in ("fraction", "patient", "slab", "test", "own"))


# ---------------------------------------------------------------- the rest


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:11"])
def test_devices(device: str) -> None:
    assert site(device=device).device == device


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("modality", "PET"),
        ("modality", "ct"),
        ("device", "gpu"),
        ("device", "cuda:"),
        ("device", "xcpu"),
        ("threads", 0),
        ("threads", 257),
        ("share_images", "some"),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(key: str, value: object) -> None:
    problem = refused(**{key: value})
    assert problem.where == f"s.yaml: key '{key}'"
    assert problem.found == repr(value)
    assert problem.rule
    assert problem.mend


@pytest.mark.parametrize("quota", [0, -1, float("inf"), float("nan")])
def test_a_quota_is_a_size(quota: float) -> None:
    problem = refused(cache={"quota_gb": quota})
    assert (problem.where, problem.found) == ("s.yaml: key 'cache.quota_gb'", repr(quota))


def test_released_models_may_have_a_folder_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE", "/srv")
    assert site().models.folder is None
    assert site(models={"folder": "${STORE}/models"}).models.folder == "/srv/models"
    assert "did you mean 'folder'" in refused(models={"foldr": "/a"}).found


@pytest.mark.parametrize("value", [True, [1, True]])
def test_yes_is_no_label_value(value: object) -> None:
    assert "whole number" in refused(dataset=GLOB, labels={"liver": value}).rule
