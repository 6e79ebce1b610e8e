"""Torch's own files: models are read, tricks are not."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from fedgin.engine.torch_file import load_torch
from fedgin.errors import DataError


def saved(content: Any, path: Path, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def test_a_model_is_read(tmp_path: Path) -> None:
    content = load_torch(saved({"model": {"a": torch.ones(3)}}, tmp_path / "a.pt"))
    assert torch.equal(content["model"]["a"], torch.ones(3))


class Dangerous:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, ("touched",)


def test_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="tensors and plain values"):
        load_torch(saved({"a": Dangerous()}, tmp_path / "a.pt"))
    assert not (tmp_path / "touched").exists()


def test_a_tensor_that_claims_more_than_the_file_holds_is_refused(tmp_path: Path) -> None:
    claimed = torch.ones(1).expand(2**40)  # 4 TiB in 4 bytes
    with pytest.raises(DataError, match="larger than the file"):
        load_torch(saved({"model": {"a": claimed}}, tmp_path / "a.pt"))


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    plain = io.BytesIO()
    torch.save({"a": torch.zeros(1000)}, plain)
    with (
        zipfile.ZipFile(plain) as source,
        zipfile.ZipFile(tmp_path / "a.pt", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.namelist():
            target.writestr(entry, source.read(entry))
    with pytest.raises(DataError, match="a compressed archive"):
        load_torch(tmp_path / "a.pt")


def test_the_old_form_without_an_archive_is_refused(tmp_path: Path) -> None:
    options = {"_use_new_zipfile_serialization": False}
    with pytest.raises(DataError, match="not a zip file"):
        load_torch(saved({"a": torch.ones(1)}, tmp_path / "a.pt", **options))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 100])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.pt"):
        load_torch(tmp_path / "a.pt")
    with pytest.raises(DataError, match="No such file"):
        load_torch(tmp_path / "none.pt")
