"""The package's hash, and a job that was exported from another version."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fedgin
from fedgin.errors import ConfigError
from fedgin.package import check_package, package_files, package_hash, package_root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "package"
    (root / "sub").mkdir(parents=True)
    (root / "__init__.py").write_text("one = 1\n")
    (root / "sub" / "b.py").write_text("two = 2\n")
    (root / "py.typed").touch()
    return root


def test_the_package_is_the_imported_one() -> None:
    root = package_root()
    assert (root / "package.py").is_file()
    assert root == Path(fedgin.__file__).resolve().parent
    assert root / "sites" / "schema.py" in package_files(root)


def test_what_a_report_is_made_from_travels_with_the_code() -> None:
    root = package_root()
    beside_code = {
        file
        for file in root.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".py"
    }
    assert {file.suffix for file in beside_code} >= {".j2", ".css"}
    assert beside_code <= set(package_files(root))


def test_the_hash_is_the_sha256_of_names_sizes_and_contents(folder: Path) -> None:
    expected = hashlib.sha256(
        b"__init__.py\x008\x00one = 1\npy.typed\x000\x00sub/b.py\x008\x00two = 2\n"
    )
    assert package_hash(folder) == expected.hexdigest()


def test_compiled_and_other_files_do_not_count(folder: Path) -> None:
    before = package_hash(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "b.cpython-311.pyc").write_bytes(b"x")
    (folder / "notes.txt").write_text("x")
    assert package_hash(folder) == before


def test_content_name_and_place_of_every_file_count(folder: Path) -> None:
    hashes = {package_hash(folder)}
    (folder / "sub" / "b.py").write_text("two = 3\n")
    hashes.add(package_hash(folder))
    (folder / "sub" / "b.py").rename(folder / "sub" / "c.py")
    hashes.add(package_hash(folder))
    (folder / "sub" / "c.py").rename(folder / "c.py")
    hashes.add(package_hash(folder))
    (folder / "empty.py").touch()
    hashes.add(package_hash(folder))
    (folder / "py.typed").unlink()
    hashes.add(package_hash(folder))
    assert len(hashes) == 6


def test_bytes_that_move_between_files_change_the_hash(folder: Path) -> None:
    before = package_hash(folder)
    (folder / "__init__.py").write_text("one = 1\ntwo")
    (folder / "sub" / "b.py").write_text(" = 2\n")
    assert package_hash(folder) != before


def stamp(folder: Path, **values: str) -> None:
    (folder / "package.json").write_text(json.dumps(values))


def test_a_job_of_this_package_is_accepted(tmp_path: Path) -> None:
    stamp(tmp_path, version=fedgin.__version__, sha256=package_hash(package_root()))
    check_package(tmp_path)


def test_a_job_of_another_package_is_refused_with_both_hashes(tmp_path: Path) -> None:
    stamp(tmp_path, version="0.0.9", sha256="ab" * 32)
    with pytest.raises(ConfigError) as caught:
        check_package(tmp_path)
    (problem,) = caught.value.problems
    assert str(package_root()) in problem.where
    assert "0.0.9" in problem.rule
    assert ("ab" * 32)[:16] in problem.rule
    assert fedgin.__version__ in problem.found
    assert package_hash(package_root())[:16] in problem.found
    assert "install the version of the job" in problem.mend


def test_a_job_without_a_stamp_is_accepted_and_that_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="fedgin"):
        check_package(tmp_path)
    assert "no package hash" in caplog.text


def test_a_broken_stamp_is_refused(tmp_path: Path) -> None:
    stamp(tmp_path, version="1", sha="x")
    with pytest.raises(ConfigError, match=r"package.json.*'sha' \(did you mean 'sha256'\?\)"):
        check_package(tmp_path)


def test_a_folder_of_the_package_s_name_does_not_hide_it(tmp_path: Path) -> None:
    # The folder of a federation's kits has the project's name, and commands run beside it.
    (tmp_path / "fedgin").mkdir()
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", "import fedgin; print(fedgin.__version__)"]
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.stdout.strip() == fedgin.__version__, result.stderr
