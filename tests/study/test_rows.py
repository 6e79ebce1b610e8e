"""The study's rows: what was written is read, what is not of the form is refused by line."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from fedgin.errors import ConfigError
from fedgin.study.rows import HEADER, Row, read_rows, write_rows

ROW = Row(
    regime="local",
    augmentation="gin",
    algorithm="",
    seed=0,
    train_sites="ct-arterial",
    test_site="mr-bssfp",
    role="training",
    modality="MR",
    patient="0123456789ab",
    class_name="heart",
    metric="dice",
    value=0.1 + 0.2,
    status="measured",
)
LINE = "local,gin,,0,ct-arterial,mr-bssfp,training,MR,0123456789ab,heart,dice,0.5,measured"


def refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "results.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_rows(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_rows_survive_writing_with_every_digit(tmp_path: Path) -> None:
    rows = [
        ROW,
        replace(ROW, metric="hd95", value=421.0, status="missed"),
        replace(ROW, regime="federated", algorithm="fedavg", train_sites="a+b", class_name="x, y"),
    ]
    write_rows(tmp_path / "results.csv", rows)
    assert read_rows(tmp_path / "results.csv") == rows
    assert rows[2].trained_on == ("a", "b")


@pytest.mark.parametrize("status", ["absent", "not annotated"])
def test_no_value_is_an_empty_field_and_never_zero(tmp_path: Path, status: str) -> None:
    write_rows(tmp_path / "results.csv", [replace(ROW, value=math.nan, status=status)])
    assert (tmp_path / "results.csv").read_text().endswith(f",dice,,{status}\n")
    (row,) = read_rows(tmp_path / "results.csv")
    assert math.isnan(row.value)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("local,gin,", "lokal,gin,", "'lokal' (did you mean 'local'?)"),
        (",gin,", ",gun,", "'gun'"),
        (",,0,", ",fedsgd,0,", "'fedsgd'"),
        (",,0,", ",,zero,", "seed is a whole number"),
        (",MR,", ",PET,", "'PET'"),
        (",dice,", ",iou,", "'iou'"),
        ("0.5,measured", "0.5,guessed", "'guessed'"),
        ("0.5,measured", ",measured", "dice is a number from 0 to 1"),
        ("0.5,measured", "1.5,measured", "'1.5'"),
        ("0.5,measured", "nan,measured", "'nan'"),
        ("0.5,measured", "0.0,not annotated", "value is empty"),
        (",heart,", ",,", "class is not empty"),
        (",measured", "", "a row has 13 fields"),
    ],
)
def test_a_wrong_field_is_refused_with_its_line(
    tmp_path: Path, before: str, after: str, words: str
) -> None:
    good = ",".join(HEADER) + "\n" + LINE + "\n"
    other = LINE.replace("0123456789ab", "ffffffffffff")
    message = refusal(tmp_path, good + other.replace(before, after, 1) + "\n")
    assert "line 3" in message
    assert words in message


def test_another_header_is_refused(tmp_path: Path) -> None:
    assert "line 1" in refusal(tmp_path, LINE + "\n")
    assert "nothing" in refusal(tmp_path, "")


def test_a_number_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    text = "\n".join([",".join(HEADER), LINE, LINE.replace("0.5", "0.6"), ""])
    assert "line 2 again" in refusal(tmp_path, text)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.csv"):
        read_rows(tmp_path / "nothing.csv")
