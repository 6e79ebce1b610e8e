"""Phantoms are never written over something else, nor over phantoms unasked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedgin.data.export_phantom import export_phantoms
from fedgin.data.phantom_folder import clear_phantoms
from fedgin.errors import ConfigError


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    export_phantoms(
        folder, task="heart", modality="CT", protocol="native", seed=0, indices=range(1)
    )
    return folder


@pytest.fixture
def earlier(phantoms: Path, tmp_path: Path) -> Path:
    """A folder with one call's phantoms."""
    for name, content in contents(phantoms).items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    return tmp_path


def real_data(folder: Path) -> None:
    (folder / "imagesTr").mkdir(parents=True)
    (folder / "imagesTr/a.nii.gz").write_bytes(b"a scan")
    (folder / "dataset.json").write_text('{"name": "Spleen", "training": []}')


@pytest.mark.parametrize("force", [False, True])
def test_a_real_data_set_is_never_touched(tmp_path: Path, force: bool) -> None:
    real_data(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(ConfigError) as caught:
        clear_phantoms(tmp_path, force=force)
    (problem,) = caught.value.problems
    assert problem.where == str(tmp_path)
    assert "dataset.json, imagesTr/a.nii.gz" in problem.found
    assert problem.mend == "name another folder"
    assert contents(tmp_path) == before


def test_an_earlier_calls_phantoms_stay_unless_forced(earlier: Path) -> None:
    before = contents(earlier)
    with pytest.raises(ConfigError, match="replace them by --force"):
        clear_phantoms(earlier, force=False)
    assert contents(earlier) == before
    clear_phantoms(earlier, force=True)
    assert contents(earlier) == {}


def test_a_file_of_ones_own_among_phantoms_stays(earlier: Path) -> None:
    (earlier / "labels/mine.nii.gz").write_bytes(b"drawn by hand")
    before = contents(earlier)
    with pytest.raises(ConfigError, match="no earlier call wrote: labels/mine"):
        clear_phantoms(earlier, force=True)
    assert contents(earlier) == before


def test_a_datalist_cannot_name_files_elsewhere(earlier: Path, tmp_path: Path) -> None:
    datalist = json.loads((earlier / "dataset.json").read_text())
    datalist["training"].append({"image": "../secret", "label": "/etc/hostname"})
    (earlier / "dataset.json").write_text(json.dumps(datalist))
    before = contents(earlier)
    with pytest.raises(ConfigError, match="no earlier call wrote"):
        clear_phantoms(earlier, force=True)
    assert contents(earlier) == before


def test_a_new_or_empty_folder_is_taken(tmp_path: Path) -> None:
    clear_phantoms(tmp_path, force=False)
    clear_phantoms(tmp_path / "new", force=False)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="found a file"):
        clear_phantoms(tmp_path / "file", force=True)
