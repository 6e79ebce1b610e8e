"""A site's list of approved apps: local/approved_code.txt of its kit."""

from __future__ import annotations

import re
from pathlib import Path

from fedgin.errors import ApprovalError, Problem
from fedgin.files import write_atomically

APPROVED_FILE = "approved_code.txt"
MAX_BYTES = 1 << 20
HEADING = """\
# What this site's FLARE may run: one app a line, its hash (`fedgin job hash JOB`) and a note that
# says who approved it, when and why. A line that begins with # is a comment.
"""
_HASH = re.compile(r"[0-9a-f]{64}")


def read_approved(file: Path) -> dict[str, str]:
    """Reads a list of approved apps.

    Args:
        file: Lines of a hash (64 lower-case hexadecimal digits), white space and a note; empty
            lines; comments that begin with `#`.

    Returns:
        The notes by hash; empty where the file approves nothing.

    Raises:
        ApprovalError: The file is missing or cannot be read, or lines are malformed; all are named
            by their numbers.
    """
    approved: dict[str, tuple[int, str]] = {}
    problems: list[Problem] = []
    for number, line in enumerate(_lines(file), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found, _, note = (part.strip() for part in text.partition(_first_space(text)))
        where = f"{file}: line {number}"
        if fault := _fault(found, note, approved):
            problems.append(Problem(where, *fault))
        else:
            approved[found] = (number, note)
    if problems:
        raise ApprovalError(problems)
    return {key: note for key, (_, note) in approved.items()}


def approve(file: Path, *, sha256: str, note: str) -> bool:
    """Adds an app to a list; makes the list where there is none.

    Args:
        file: The list.
        sha256: Hash of the app.
        note: Who approved it, when and why; one line.

    Returns:
        False where the list had the app before; it is left as it was.

    Raises:
        ApprovalError: The list has a malformed line, or the hash or the note is unfit.
    """
    old = "".join(f"{line}\n" for line in _lines(file)) if file.exists() else HEADING
    known = read_approved(file) if file.exists() else {}
    if sha256 in known:
        return False
    single = note.splitlines() == [note]
    if fault := _fault(sha256, note.strip() if single else "", {}):
        raise ApprovalError(Problem("the approval", *fault))
    # Readable for all, as FLARE's own rules beside it: the list holds no secret.
    # A link leads to a list that several kits share: that one is written.
    write_atomically(file.resolve(), f"{old}{sha256}  {note.strip()}\n".encode(), mode=0o644)
    return True


def _fault(found: str, note: str, known: dict[str, tuple[int, str]]) -> tuple[str, str, str] | None:
    """Returns rule, finding and mend of a line that breaks a rule."""
    if not _HASH.fullmatch(found):
        rule = "a line is a comment (#), or begins with a hash of 64 digits 0-9 and a-f"
        return rule, repr(found[:80]), "copy what `fedgin job hash` prints"
    if not note:
        rule = "a note of one line must follow the hash: who approved it, when and why"
        return rule, "no such note", "write the note"
    if found in known:
        return "a hash stands once", f"it stands in line {known[found][0]} too", "remove one line"
    return None


def _first_space(text: str) -> str:
    return next((letter for letter in text if letter.isspace()), " ")


def _lines(file: Path) -> list[str]:
    rule = f"the list of approved code must be a text file of at most {MAX_BYTES} bytes"
    mend = "make the file, with `fedgin job approve`; without it nothing is approved"
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        found = getattr(error, "strerror", None) or str(error)
        raise ApprovalError(Problem(str(file), rule, found, mend)) from None
    if len(content) > MAX_BYTES:
        raise ApprovalError(Problem(str(file), rule, "more", "remove what is no longer run"))
    return text.split("\n")[: -1 if text.endswith("\n") else None] if text else []
