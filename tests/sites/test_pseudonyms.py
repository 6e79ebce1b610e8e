"""Hashes that stand for patients: with a secret that a site makes once and keeps to itself."""

from __future__ import annotations

import hashlib
import hmac
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fedgin.config import parse
from fedgin.errors import ConfigError
from fedgin.sites.folders import SecretSettings
from fedgin.sites.lookup import Site
from fedgin.sites.pseudonyms import kept_secret, patient_hash, site_secret
from fedgin.sites.schema import SiteConfig

GLOB = {"kind": "glob", "root": "/nowhere", "images": "a/*.nii", "labels": "b/*.nii"}
PHANTOM = {"kind": "phantom", "protocol": "arterial", "seed": 1, "cases": 4}


def site(folder: Path, *, name: str = "here", dataset: dict[str, object] | None = None) -> Site:
    values = {
        "modality": "CT",
        "dataset": dataset or GLOB,
        "labels": {"heart": 1},
        "secret": {"folder": str(folder / "secret")},
    }
    return Site(name, folder / f"{name}.yaml", parse(SiteConfig, values, where="here"))


def test_hash_is_twelve_digits_of_an_hmac_and_differs_by_site_and_secret() -> None:
    expected = hmac.new(b"key", b"here\x1fanna", hashlib.sha256).hexdigest()[:12]
    assert patient_hash("here", "anna", secret=b"key") == expected
    others = {patient_hash("there", "anna", secret=b"key"), patient_hash("here", "anna")}
    assert expected not in others
    assert patient_hash("here", "anna", secret=b"other") not in {*others, expected}


def test_a_phantom_needs_no_secret_so_that_its_study_can_be_repeated(tmp_path: Path) -> None:
    assert site_secret(site(tmp_path, dataset=PHANTOM)) == b""
    assert not (tmp_path / "secret").exists()
    expected = hashlib.sha256(b"here\x1fanna").hexdigest()[:12]
    assert patient_hash("here", "anna") == expected


def test_a_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    here = site(tmp_path)
    with ThreadPoolExecutor(8) as pool:  # as several processes of a site may start at once
        found = set(pool.map(lambda _: site_secret(here), range(32)))
    assert len(found) == 1
    assert len(found.pop()) == 32
    (file,) = (tmp_path / "secret").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert site_secret(site(tmp_path, name="there")) != site_secret(here)


def test_it_lies_in_the_user_s_folder_for_state_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "of the user"))
    kept_secret("here", SecretSettings())
    assert (tmp_path / "of the user/fedgin/here.secret").is_file()


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    here = site(tmp_path)
    site_secret(here)
    (tmp_path / "secret/here.secret").chmod(0o644)
    with pytest.raises(ConfigError, match="mode 0644"):
        site_secret(here)


@pytest.mark.parametrize("content", ["", "abc", "00" * 31, "zz" * 32])
def test_a_damaged_secret_is_refused_and_not_replaced(content: str, tmp_path: Path) -> None:
    here = site(tmp_path)
    site_secret(here)
    file = tmp_path / "secret/here.secret"
    file.write_text(content)
    with pytest.raises(ConfigError, match="64 hexadecimal digits"):
        site_secret(here)
    assert file.read_text() == content


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a file")
    with pytest.raises(ConfigError, match=r"secret\.folder"):
        site_secret(site(tmp_path))
