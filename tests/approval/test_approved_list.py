"""A site's list of approved apps: strict, and nothing is approved where it is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedgin.approval.approved_list import HEADING, MAX_BYTES, approve, read_approved
from fedgin.errors import ApprovalError

A, B = "a" * 64, "0123456789abcdef" * 4


def listed(folder: Path, text: str) -> Path:
    file = folder / "approved_code.txt"
    file.write_bytes(text.encode())
    return file


def test_hashes_and_notes_are_read(tmp_path: Path) -> None:
    text = f"# heading\n\n{A}  Dr. Who, 2026-01-02: heart # 1\n\t{B}\tthe other\r\n   \n  # end"
    expected = {A: "Dr. Who, 2026-01-02: heart # 1", B: "the other"}
    assert read_approved(listed(tmp_path, text)) == expected


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", HEADING])
def test_a_list_may_approve_nothing(text: str, tmp_path: Path) -> None:
    assert read_approved(listed(tmp_path, text)) == {}


@pytest.mark.parametrize(
    "line",
    [
        "everything",
        "*",
        A,
        f"{A}   ",
        f"{A[:-1]} one digit short",
        f"{A}a one digit long",
        f"{A.upper()} upper case",
        f"{'g' * 64} no digit",
        f"sha256:{A} a prefix",
        f"{A[:32]} {A[32:]}",
        f"note {A}",
        f"\ufeff{A} a byte order mark",
        f"{A}# no space",
    ],
)
def test_a_malformed_line_is_named_by_its_number(line: str, tmp_path: Path) -> None:
    file = listed(tmp_path, f"# heading\n{B} fine\n{line}\n")
    with pytest.raises(ApprovalError) as caught:
        read_approved(file)
    (problem,) = caught.value.problems
    assert problem.where == f"{file}: line 3"


def test_all_malformed_lines_and_repeated_hashes_are_listed(tmp_path: Path) -> None:
    file = listed(tmp_path, f"{A} one\n?\n{B} two\n{A} again\n")
    with pytest.raises(ApprovalError) as caught:
        read_approved(file)
    assert [p.where.rpartition(" ")[2] for p in caught.value.problems] == ["2", "4"]
    assert "line 1" in caught.value.problems[1].found


def test_a_list_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    binary = tmp_path / "binary.txt"
    binary.write_bytes(b"\xff\xfe" + A.encode())
    large = listed(tmp_path, "#" * (MAX_BYTES + 1))
    for unfit in (tmp_path / "none.txt", tmp_path, binary, large):
        with pytest.raises(ApprovalError) as caught:
            read_approved(unfit)
        assert str(unfit) in str(caught.value)


def test_approving_makes_the_list_and_adds_to_it_once(tmp_path: Path) -> None:
    file = tmp_path / "approved_code.txt"
    assert approve(file, sha256=A, note=" officer: heart ")
    assert approve(file, sha256=B, note="officer: abdomen")
    before = file.read_text()
    assert not approve(file, sha256=A, note="again")
    assert file.read_text() == before
    assert read_approved(file) == {A: "officer: heart", B: "officer: abdomen"}
    assert before.startswith(HEADING)


def test_approving_keeps_what_the_officer_wrote(tmp_path: Path) -> None:
    own = f"# ours\n\n  {B}   note, spaced\n# no newline at the end"
    file = listed(tmp_path, own)
    approve(file, sha256=A, note="new")
    assert file.read_text() == f"{own}\n{A}  new\n"


@pytest.mark.parametrize("note", ["", "  ", "two\nlines", f"x\n{B} smuggled", "x\r", "x\u2028y"])
def test_a_note_is_one_line(note: str, tmp_path: Path) -> None:
    file = tmp_path / "approved_code.txt"
    with pytest.raises(ApprovalError):
        approve(file, sha256=A, note=note)
    assert not file.exists()


def test_a_malformed_list_is_not_added_to(tmp_path: Path) -> None:
    file = listed(tmp_path, "?\n")
    with pytest.raises(ApprovalError):
        approve(file, sha256=A, note="new")
    assert file.read_text() == "?\n"


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "approved_code.txt"
        file.write_bytes(text.encode("utf-8", errors="replace"))
        try:
            found = read_approved(file)
        except ApprovalError:
            return
    # What is approved stands in the text, at the beginning of a line.
    lines = text.split("\n")
    assert all(any(line.strip().startswith(key) for line in lines) for key in found)
