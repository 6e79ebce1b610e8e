"""`--set key=value`: what is read, what is refused, what is laid over what."""

from __future__ import annotations

import copy

import pytest

from fedgin.errors import ConfigError
from fedgin.overrides import flatten, merge, parse_overrides


def test_values_are_json_where_they_can_be_else_text() -> None:
    assert parse_overrides(
        ["a=1", "b=0.5", "c=true", "d=null", "e=[1, 2]", 'f="1"', "g=gin", "h=", "i=x=y", " j = 3 "]
    ) == {
        "a": 1,
        "b": 0.5,
        "c": True,
        "d": None,
        "e": [1, 2],
        "f": "1",
        "g": "gin",
        "h": "",
        "i": "x=y",
        "j": 3,
    }


def test_a_number_too_long_to_read_is_text() -> None:
    digits = "9" * 5000
    assert parse_overrides([f"seed={digits}"]) == {"seed": digits}


def test_a_dot_reaches_into_a_nested_setting() -> None:
    read = parse_overrides(["gin.probability=0.5", "gin.layers=2", "a.b.c=1"])
    assert read == {"gin": {"probability": 0.5, "layers": 2}, "a": {"b": {"c": 1}}}


@pytest.mark.parametrize("text", ["seed", "", "=1", ".a=1", "a.=1", "a..b=1"])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_overrides(["task=heart", text])
    (problem,) = caught.value.problems
    assert problem.where == "--set"
    assert problem.rule == "an override is key=value"
    assert problem.found == f"'{text}'"
    assert problem.mend == "write --set key=value"


@pytest.mark.parametrize(
    ("texts", "key"),
    [
        (["seed=1", "seed=2"], "seed"),
        (["seed=1", "seed=1"], "seed"),
        (["gin.layers=1", "gin.layers=2"], "gin.layers"),
        (["gin.layers=1", "gin={}"], "gin"),
        (["gin=1", "gin.layers=2"], "gin.layers"),
        (["gin=1", "gin.layers.deep=2"], "gin.layers.deep"),
        (["gin=none", "gin.a.b.c=2"], "gin.a.b.c"),
    ],
)
def test_a_key_that_stands_twice_is_refused(texts: list[str], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_overrides(texts)
    (problem,) = caught.value.problems
    assert problem.rule == "a key may stand once"
    assert problem.found == f"'{key}' again"
    assert problem.mend == "remove one of them"


def test_merge_keeps_what_is_not_overridden() -> None:
    base = {"task": "heart", "gin": {"layers": 4, "probability": 1.0}, "channels": [8, 16]}
    before = copy.deepcopy(base)
    merged = merge(base, {"gin": {"layers": 2}, "channels": [4], "seed": 1})
    assert merged == {
        "task": "heart",
        "gin": {"layers": 2, "probability": 1.0},
        "channels": [4],
        "seed": 1,
    }
    assert base == before


def test_merge_replaces_a_mapping_by_a_value_and_back() -> None:
    assert merge({"a": {"b": 1}}, {"a": None}) == {"a": None}
    assert merge({"a": None}, {"a": {"b": 1}}) == {"a": {"b": 1}}


def test_flattened_values_are_read_back_as_they_were() -> None:
    values = {
        "task": "heart",
        "gin": {"probability": 0.5, "kernel_sizes": [1, 3]},
        "spacing": [4.0, 4.0, None],
        "plateau": None,
        "deep": {"er": {"still": True}},
        "like_json": "3",
    }
    assert parse_overrides(flatten(values)) == values
    assert "gin.probability=0.5" in flatten(values)
