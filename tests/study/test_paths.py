"""A study runs wherever its folder lies and however its site files name theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_study import SMALL, run_study

from fedgin.config import parse, read_mapping
from fedgin.data.export_phantom import export_phantoms
from fedgin.sites.lookup import Site
from fedgin.sites.schema import SiteConfig
from fedgin.study.site_files import copy_site_files

ON_DISK = """\
modality: CT
dataset: {kind: glob, root: data, images: "images/*.nii.gz", labels: "labels/*.nii.gz"}
labels: {heart: 1}
other_labels: [2, 3, 4, 5]
split: {by: fraction, validation: 0.25, test: 0.25, seed: 0}
cache: {folder: kept volumes}
device: cpu
threads: 1
"""


@pytest.mark.slow
def test_blanks_in_the_folder_and_relative_paths_in_a_site_file(tmp_path: Path) -> None:
    export_phantoms(
        tmp_path / "data", task="heart", modality="CT", protocol="native", seed=0, indices=range(4)
    )
    (tmp_path / "ours.yaml").write_text(ON_DISK)
    study = run_study(
        tmp_path / "rel ü study: it's #1",
        (
            *("--task", "heart", "--sites", "ours.yaml"),
            *("--regimes", "federated,leave-one-modality-out", "--augmentations", "none"),
            *SMALL,
            *("--rounds", "1"),
        ),
        site_configs=tmp_path,
        cwd=tmp_path,
    )
    assert study.code == 0, study.output
    assert [run["status"] for run in study.record["runs"]] == ["done"]
    (note,) = study.record["notes"]
    assert note.startswith("leave-one-modality-out: no model")
    assert note in study.output
    assert {row.test_site for row in study.rows} == {"ours"}
    folder = study.folder / "runs" / "federated_none_seed0_ours"
    left = sorted(file.name for file in folder.iterdir())
    times = ["run.json", "seconds.json"]
    assert left == ["last_model.pt", "log.txt", "report.json", "rows.csv", *times]


def read_site(file: Path) -> Site:
    return Site(file.stem, file, parse(SiteConfig, read_mapping(file), where=str(file)))


def test_a_copied_site_file_means_the_same_from_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HERE", "below")
    more = "state: {folder: '${HERE}/state'}\nmodels: {folder: ~/models}\n"
    (tmp_path / "ours.yaml").write_text(ON_DISK + more)
    original = read_site(tmp_path / "ours.yaml")
    copy_site_files([original], tmp_path / "copies")
    monkeypatch.chdir("/")
    copy = read_site(tmp_path / "copies" / "ours.yaml")
    assert copy.config.dataset.root == str(tmp_path / "data")
    assert copy.config.cache.folder == str(tmp_path / "kept volumes")
    assert copy.config.state.folder == str(tmp_path / "below" / "state")
    assert copy.config.models.folder == "~/models"  # it leads to the same place already
    changed = {"dataset": {"root"}, "cache": {"folder"}, "state": {"folder"}}
    assert copy.config.model_dump(exclude=changed) == original.config.model_dump(exclude=changed)


def test_a_site_file_with_whole_paths_is_copied_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text(
        "# ours\n" + ON_DISK.replace("root: data", "root: /data").replace("kept volumes", "/kept")
    )
    copy_site_files([read_site(file)], tmp_path / "copies")
    assert (tmp_path / "copies" / "ours.yaml").read_bytes() == file.read_bytes()
