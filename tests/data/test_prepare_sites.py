"""Several sites read by one command: each problem says whose it is."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from site_files import make_site, save

from fedgin.data.prepare_sites import prepare_sites
from fedgin.errors import ConfigError, DataError
from fedgin.settings import make_settings
from fedgin.sites.lookup import Site

SETTINGS = make_settings(task="abdomen", classes=["liver"], spacing=[4.0, 4.0, None])


def site_of(folder: Path, name: str, **values: object) -> Site:
    """A site with two cases, c1 and c2."""
    for case in ("c1", "c2"):
        image = np.full((24, 24, 6), -1000, np.int16)
        image[4:20, 4:20] = 40
        save(folder / f"{name}/images/{case}.nii.gz", image)
        save(folder / f"{name}/labels/{case}.nii.gz", (image > 0).astype(np.uint8))
    dataset = {
        "kind": "glob",
        "root": str(folder / name),
        "images": "images/*.nii.gz",
        "labels": "labels/*.nii.gz",
    }
    content = {"dataset": dataset, "labels": {"liver": 1}, **values}
    (folder / f"{name}-file").mkdir()
    site = make_site(folder / f"{name}-file", **content)
    return Site(name=name, path=site.path, config=site.config)


def shift_label(folder: Path, site: str) -> None:
    file = folder / site / "labels/c1.nii.gz"
    label = nib.load(file)
    moved = label.affine.copy()
    moved[0, 3] += 50
    save(file, np.asarray(label.dataobj), moved)


def test_cases_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    sites = [site_of(tmp_path, name) for name in ("a", "b", "c")]
    shift_label(tmp_path, "a")
    shift_label(tmp_path, "c")
    fit: list[str] = []
    with pytest.raises(DataError) as caught:
        prepare_sites(sites, SETTINGS, on_site=lambda data: fit.append(data.site.name))
    assert [problem.where for problem in caught.value.problems] == ["site a: c1", "site c: c1"]
    assert fit == ["b"]


def test_one_site_needs_no_name(tmp_path: Path) -> None:
    site = site_of(tmp_path, "a")
    shift_label(tmp_path, "a")
    with pytest.raises(DataError) as caught:
        prepare_sites([site], SETTINGS)
    assert [problem.where for problem in caught.value.problems] == ["c1"]


def test_every_sites_missing_labels_are_listed(tmp_path: Path) -> None:
    sites = [site_of(tmp_path, name, labels={"spleen": 1}) for name in ("a", "b")]
    with pytest.raises(ConfigError) as caught:
        prepare_sites(sites, SETTINGS)
    assert [problem.where for problem in caught.value.problems] == [
        f"{site.path}: key 'labels'" for site in sites
    ]
