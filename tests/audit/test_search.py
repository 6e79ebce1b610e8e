"""The search finds a word in every form in which a file of a federation could hold it."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin
from torch.utils.tensorboard import SummaryWriter

from fedgin.audit.search import search

WORD = "cnry0a1b2c3d4e"


def picture(text: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", text, zip=True)
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def as_zip(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", f"some {text} here")
    return buffer.getvalue()


def as_checkpoint(text: str) -> bytes:
    buffer = io.BytesIO()
    torch.save({"model": {text: torch.ones(2)}}, buffer)
    return buffer.getvalue()


FORMS: dict[str, Callable[[str], bytes]] = {
    "as it is": lambda t: f"x{t}y".encode(),
    "upper case": lambda t: t.upper().encode(),
    "utf-16": lambda t: f"x{t}".encode("utf-16"),
    "hexadecimal": lambda t: t.encode().hex().encode(),
    "base64": lambda t: base64.b64encode(t.encode()),
    "base64 after one": lambda t: base64.b64encode(f"1{t}z".encode()),
    "base64 after two": lambda t: base64.b64encode(f"12{t}zz".encode()),
    "gzip": lambda t: gzip.compress(f"a {t}".encode()),
    "gzip in gzip": lambda t: gzip.compress(gzip.compress(t.encode())),
    "zip": as_zip,
    "checkpoint": as_checkpoint,
    "picture": picture,
    "picture in a page": lambda t: b"<p>" + picture(t) + b"</p>",
    "json": lambda t: json.dumps({"a": t}).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_word_is_found(form: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(FORMS[form](WORD))
    (tmp_path / "other").write_bytes(FORMS[form]("cnry0000000000"))
    assert search(tmp_path, [WORD]).places == {WORD: ("file",)}


def test_a_word_in_a_name_is_found(tmp_path: Path) -> None:
    (tmp_path / f"a{WORD}").mkdir()
    (tmp_path / f"a{WORD}/empty").touch()
    found = search(tmp_path, [WORD])
    assert found.places[WORD] == (f"a{WORD}/empty",)
    assert (found.files, found.bytes, found.occurrences) == (1, 0, 1)


def test_a_word_in_tensorboard_is_found(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar(f"loss/{WORD}", 0.5, 0)
    assert search(tmp_path, [WORD]).occurrences == 1


def test_a_damaged_archive_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"x" * 1000)[:-12] + WORD.encode())
    assert search(tmp_path, [WORD]).occurrences == 1
