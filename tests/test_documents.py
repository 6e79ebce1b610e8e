"""YAML and JSON within bounds: what is read as ever, and what is refused in little time."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import yaml

from fedgin.config import StrictModel, parse, read_mapping
from fedgin.documents import CONFIGURATION, Bounds, parse_json, parse_yaml
from fedgin.errors import ConfigError

SMALL = Bounds(size=2000, depth=5, values=50)


def alias_bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "value",
    [{"a": [1, -2.5, None, True, "ü", {"b": []}]}, [], "x", 2**64, {"a": 1e300}],
)
def test_sound_documents_are_read_as_by_the_libraries(value: object) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_yaml(yaml.safe_dump(value)) == value


def test_an_alias_stands_for_its_value() -> None:
    pair = {"image": "a.nii", "label": "b.nii"}
    text = yaml.safe_dump({"cases": [pair, pair]})
    assert "*" in text
    assert parse_yaml(text) == {"cases": [pair, pair]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (alias_bomb(9), "more than 100000 values"),
        ("a: &a [*a]", "within that value"),
        ("a: &a {b: 1}\nc: {<<: *a}", "a merge"),
        ("a: !!binary aGk=", "a tag"),
        ("a: !!python/name:os.system", "a tag"),
        ("a: !x 1", "a tag"),
        ("? !!set {a}\n: 1", "a tag"),
        ("a: 1\na: 2", "stands twice"),
        ("1: 1\n'1': 2", "stands twice"),
        ("a: .nan", "finite"),
        ("a: [-.inf]", "finite"),
        ("a: 1.0e+999", "finite"),
        ("a: " + "9" * 50, "64 bits"),
        ("a: " + "9" * 5000, "5000 digits"),
        ("a: 0x" + "f" * 5000, "digits"),
        ("a: 1" + ":1" * 5000, "digits"),
        ("a: 2020-99-99", "month"),
        ("[" * 50 + "]" * 50, "nested more than 40 deep"),
        ("- " * 50 + "a", "nested more than 40 deep"),
        ("a: b: c", "not allowed here"),
        ("a: 1\n---\nb: 1", "another document"),
        ("k" * 201 + ": 1", "201 characters"),
        ("a: \x01", "special characters"),
        ("x" * (2**20 + 1), "more than 1048576 bytes"),
        ("=: 1", "constructor"),
    ],
)
def test_hostile_yaml_is_refused_at_once(text: str, words: str) -> None:
    start = time.process_time()
    with pytest.raises((ValueError, yaml.YAMLError), match=words):
        parse_yaml(text)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": NaN}', "not NaN"),
        ("-Infinity", "not -Infinity"),
        ("1e999", "finite"),
        ("1" * 5000, "5000 digits"),
        ("1." + "1" * 5000, "digits"),
        (str(2**65), "64 bits"),
        ('{"a": {"b": 1, "b": 2}}', "stands twice"),
        ("[" * 42 + "]" * 42, "nested more than 40 deep"),
        ("[" * 500_000, "nested more than 40 deep"),
        ('{"a":' * 500_000, "nested more than 40 deep"),
        ("[" + "1," * 400_000 + "1]", "more than 400000 values"),
        ('"\\ud800"', "surrogate"),
        ('{"\\udfff": 1}', "surrogate"),
        (json.dumps({"k" * 201: 1}), "201 characters"),
        (" " * (4 * 2**20 + 1), "more than 4194304 bytes"),
        ("[1] [2]", "Extra data"),
    ],
)
def test_hostile_json_is_refused_at_once(text: str, words: str) -> None:
    start = time.process_time()
    with pytest.raises(ValueError, match=words):
        parse_json(text)
    assert time.process_time() - start < 3


def test_bounds_are_kept_to_the_letter() -> None:
    for read in (parse_json, parse_yaml):
        assert read("[" * 5 + "]" * 5, bounds=SMALL) is not None
        with pytest.raises((ValueError, yaml.YAMLError), match="5 deep"):
            read("[" * 7 + "]" * 7, bounds=SMALL)
        assert len(read(json.dumps([1] * 49), bounds=SMALL)) == 49
        with pytest.raises((ValueError, yaml.YAMLError), match="50 values"):
            read(json.dumps([1] * 50), bounds=SMALL)


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_a_large_file_is_refused_unread(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ConfigError, match=r"must have at most [0-9]+ bytes; found 1099511627776"):
        read_mapping(tmp_path / name)


def test_a_pipe_or_device_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").symlink_to("/dev/zero")
    for name in ("a.yaml", "b.yaml"):
        with pytest.raises(ConfigError, match="Not a regular file"):
            read_mapping(tmp_path / name)


def test_problems_beyond_number_are_counted() -> None:
    class Entry(StrictModel):
        a: int

    class List(StrictModel):
        entries: tuple[Entry, ...]

    with pytest.raises(ConfigError) as caught:
        parse(List, {"entries": [{"a": "x"}] * 5000}, where="a.yaml")
    assert len(caught.value.problems) == 201
    assert "4800 more problems" in caught.value.problems[-1].found
    with pytest.raises(ConfigError, match="4980 more"):
        parse(List, {str(n): 1 for n in range(5000)} | {"entries": []}, where="a.yaml")


def test_a_configuration_of_the_promised_size_is_read(tmp_path: Path) -> None:
    entry = {"image": "imagesTr/patient_00001.nii.gz", "label": "labelsTr/patient_00001.nii.gz"}
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"training": [entry] * 40_000}))
    assert path.stat().st_size < CONFIGURATION.size
    assert len(read_mapping(path)["training"]) == 40_000
