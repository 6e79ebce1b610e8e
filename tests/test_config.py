"""Strict configuration: what is refused, and how the message helps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from fedgin.config import StrictModel, nearest, parse, read_mapping
from fedgin.errors import ConfigError, DataError, FedginError, Problem


class Inner(StrictModel):
    probability: float = 1.0
    layers: Annotated[int, Field(ge=1)] = 4


class Outer(StrictModel):
    task: str
    seed: int = 0
    inner: Inner = Inner()
    several: tuple[Inner, ...] = ()


def problems(data: object) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(Outer, data, where="job.json")
    return caught.value.problems


def reading_fails(path: Path) -> Problem:
    with pytest.raises(ConfigError) as caught:
        read_mapping(path)
    (problem,) = caught.value.problems
    assert problem.where == str(path)
    return problem


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# ---------------------------------------------------------------- schemas


def test_known_keys_are_read() -> None:
    read = parse(Outer, {"task": "heart", "inner": {"layers": "2"}}, where="job.json")
    assert (read.task, read.seed, read.inner.layers) == ("heart", 0, 2)


def test_settings_cannot_be_changed_after_reading() -> None:
    read = parse(Outer, {"task": "heart"}, where="job.json")
    with pytest.raises(ValueError, match="frozen"):
        read.seed = 3


@pytest.mark.parametrize(
    ("data", "where", "found"),
    [
        ({"task": "a", "sede": 1}, "job.json", "'sede' (did you mean 'seed'?)"),
        (
            {"task": "a", "inner": {"probabilty": 1}},
            "job.json: key 'inner'",
            "'probabilty' (did you mean 'probability'?)",
        ),
        (
            {"task": "a", "several": [{}, {"layer": 1}]},
            "job.json: key 'several.1'",
            "'layer' (did you mean 'layers'?)",
        ),
        ({"task": "a", "xyz": 1}, "job.json", "'xyz' (allowed: inner, seed, several, task)"),
        ({"task": "a", "inner": {7: 1}}, "job.json: key 'inner'", "'7' (allowed: layers"),
    ],
)
def test_an_unknown_key_is_refused_and_names_the_nearest(
    data: Mapping[str, object], where: str, found: str
) -> None:
    (problem,) = problems(data)
    assert problem.where == where
    assert problem.rule == "only known keys are allowed"
    assert found in problem.found
    assert problem.mend == "correct the key"


@pytest.mark.parametrize(
    ("data", "where", "rule", "found"),
    [
        ({}, "job.json: key 'task'", "the key is required", "no such key"),
        ({"task": 3}, "job.json: key 'task'", "must be text", "3"),
        ({"task": "a", "seed": 1.5}, "job.json: key 'seed'", "valid integer", "1.5"),
        ({"task": "a", "seed": "x"}, "job.json: key 'seed'", "valid integer", "'x'"),
        ({"task": "a", "inner": 3}, "job.json: key 'inner'", "valid dictionary", "3"),
        (
            {"task": "a", "inner": {"layers": 0}},
            "job.json: key 'inner.layers'",
            "greater than or equal to 1",
            "0",
        ),
        ([1, 2], "job.json", "valid dictionary", "[1, 2]"),
    ],
)
def test_a_wrong_value_is_named_by_key_rule_and_value(
    data: object, where: str, rule: str, found: str
) -> None:
    (problem,) = problems(data)
    assert problem.where == where
    assert rule in problem.rule
    assert problem.found == found
    assert problem.mend


def test_a_long_wrong_value_is_cut_short() -> None:
    (problem,) = problems({"task": "a", "seed": "x" * 5000})
    assert len(problem.found) == 120
    assert problem.found.endswith("...")


def test_no_problem_of_a_file_hides_another() -> None:
    found = problems({"sede": 1, "seed": "x", "inner": {"layer": 1, "layers": 0}, "several": 3})
    assert {(problem.where, problem.found) for problem in found} == {
        ("job.json", "unknown 'sede' (did you mean 'seed'?)"),
        ("job.json: key 'task'", "no such key"),
        ("job.json: key 'seed'", "'x'"),
        ("job.json: key 'inner'", "unknown 'layer' (did you mean 'layers'?)"),
        ("job.json: key 'inner.layers'", "0"),
        ("job.json: key 'several'", "3"),
    }
    assert len(found) == 6


def test_nearest_lists_all_names_where_none_is_near() -> None:
    assert nearest("hart", ["heart", "abdomen"]) == "did you mean 'heart'?"
    assert nearest("zzz", ["heart", "abdomen"]) == "allowed: abdomen, heart"


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "a: 1\nb: {c: [1, null]}\n"),
        ("a.yml", "a: 1\nb: {c: [1, null]}\n"),
        ("a.json", '{"a": 1, "b": {"c": [1, null]}}'),
    ],
)
def test_yaml_and_json_are_read(tmp_path: Path, name: str, text: str) -> None:
    assert read_mapping(write(tmp_path / name, text)) == {"a": 1, "b": {"c": [1, None]}}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "seed: 1\ntask: x\nseed: 2\n"),
        ("a.yaml", "inner:\n  seed: 1\n  seed: 1\n"),
        ("a.yaml", "cases: [{seed: 1, seed: 2}]\n"),
        ("a.json", '{"seed": 1, "seed": 2}'),
        ("a.json", '{"inner": [{"seed": 1, "seed": 1}]}'),
    ],
)
def test_a_repeated_key_is_refused(tmp_path: Path, name: str, text: str) -> None:
    problem = reading_fails(write(tmp_path / name, text))
    assert "must be valid" in problem.rule
    assert "the key 'seed' stands twice" in problem.found
    assert problem.mend == "correct the syntax"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    problem = reading_fails(tmp_path / "none.yaml")
    assert problem.rule == "the file must exist"
    assert problem.found == "no such file"
    assert problem.mend == "check the path"


@pytest.mark.parametrize(
    ("name", "text", "kind", "found"),
    [
        ("a.yaml", "a: [1, 2\nb: 3\n", "YAML", "line 2"),
        ("a.yaml", "a: !!python/object/apply:os.getcwd []\n", "YAML", "a tag (!)"),
        ("a.json", '{"a": 1,}', "JSON", "line 1 column"),
        ("a.json", "", "JSON", "Expecting value"),
        ("a.json", "[" * 200_000, "JSON", "nested more than"),
    ],
)
def test_bad_syntax_is_refused_with_its_place(
    tmp_path: Path, name: str, text: str, kind: str, found: str
) -> None:
    problem = reading_fails(write(tmp_path / name, text))
    assert problem.rule == f"the file must be valid {kind}"
    assert found in problem.found
    assert "\n" not in problem.found
    assert "unicode string" not in problem.found


def test_a_file_that_is_too_large_is_told_by_its_size(tmp_path: Path) -> None:
    problem = reading_fails(write(tmp_path / "a.yaml", "a: " + "x" * 2**20))
    assert problem.rule == "the file must have at most 1048576 bytes"
    assert problem.found == f"{2**20 + 3} bytes"
    assert "smaller" in problem.mend


def test_a_file_that_is_no_text_or_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00\x80")
    assert "decode" in reading_fails(tmp_path / "a.yaml").found
    (tmp_path / "b.yaml").mkdir()
    assert "directory" in reading_fails(tmp_path / "b.yaml").found


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.yaml", "", "NoneType"),
        ("a.yaml", "- 1\n- 2\n", "list"),
        ("a.yaml", "just words\n", "str"),
        ("a.yaml", "1: a\n", "dict"),
        ("a.json", "[]", "list"),
    ],
)
def test_a_file_without_a_mapping_is_refused(
    tmp_path: Path, name: str, text: str, found: str
) -> None:
    problem = reading_fails(write(tmp_path / name, text))
    assert problem.rule == "the file must hold one mapping with text keys"
    assert problem.found == found
    assert problem.mend == (
        'write {"key": value, ...}' if name.endswith("json") else "write 'key: value' lines"
    )


# ---------------------------------------------------------------- errors


def test_an_error_shows_all_its_problems_numbered() -> None:
    one = Problem("a.yaml", "must be b", "c", "write b")
    two = Problem("d.yaml", "must be e", "f", "write e")
    assert str(ConfigError(one)) == "a.yaml: must be b; found c. Mend: write b"
    text = str(DataError([one, two]))
    assert text.splitlines() == ["2 problems:", f"  1. {one}", f"  2. {two}"]


def test_an_error_without_a_problem_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="at least one"):
        FedginError([])


@pytest.mark.parametrize(
    ("content", "mend"),
    [
        (b"images: */image.nii.gz\n", "put a pattern that begins with * in quotes"),
        (b"patient: M\xfcller\n", "save the file as UTF-8"),
        (b"a: [1\n", "correct the syntax"),
    ],
)
def test_what_is_no_yaml_is_told_with_what_helps(tmp_path: Path, content: bytes, mend: str) -> None:
    file = tmp_path / "site.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_mapping(file)
    assert caught.value.problems[0].mend == mend
