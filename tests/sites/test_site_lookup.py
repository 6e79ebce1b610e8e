"""Where a site's file is looked for, in which order, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgin.errors import ConfigError
from fedgin.sites.lookup import candidate_files, load_site, load_sites

SITE = """\
modality: CT
dataset: {{kind: phantom, protocol: arterial, seed: {seed}, cases: 1}}
"""


def put(folder: Path, *, seed: int, name: str = "site-9") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.yaml"
    file.write_text(SITE.format(seed=seed))
    return file


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The places of a lookup other than the checkout, all of them empty."""
    monkeypatch.setenv("FEDGIN_SITE_CONFIGS", str(tmp_path / "variable"))
    monkeypatch.setenv("PWD", str(tmp_path / "here"))
    return {
        "local": tmp_path / "local",
        "variable": tmp_path / "variable",
        "here": tmp_path / "here" / "site_configs",
    }


def seed_of(local: Path) -> int:
    return load_site("site-9", local_folder=local).config.dataset.seed  # type: ignore[union-attr]


def test_the_more_specific_place_wins(places: dict[str, Path]) -> None:
    put(places["here"], seed=3)
    assert seed_of(places["local"]) == 3
    put(places["variable"], seed=2)
    assert seed_of(places["local"]) == 2
    put(places["local"], seed=1)
    assert seed_of(places["local"]) == 1


def test_the_checkout_comes_last(places: dict[str, Path], repository: Path) -> None:
    files = candidate_files("site-1", local_folder=places["local"])
    assert files == [
        places["local"] / "site-1.yaml",
        places["variable"] / "site-1.yaml",
        places["here"] / "site-1.yaml",
        repository / "site_configs" / "site-1.yaml",
    ]
    assert load_site("site-1").path == files[-1]
    own = put(places["here"], seed=77, name="site-1")
    assert load_site("site-1").path == own


def test_a_place_named_twice_is_looked_at_once(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDGIN_SITE_CONFIGS", str(repository / "site_configs"))
    monkeypatch.setenv("PWD", str(repository))
    assert candidate_files("a") == [repository / "site_configs" / "a.yaml"]


def test_the_site_knows_its_name_and_file(places: dict[str, Path]) -> None:
    file = put(places["variable"], seed=2)
    site = load_site("site-9")
    assert (site.name, site.path, site.config.modality) == ("site-9", file, "CT")


def test_without_a_file_all_places_are_listed(places: dict[str, Path], repository: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_site("site-9", local_folder=places["local"])
    (problem,) = caught.value.problems
    assert problem.where == "site 'site-9'"
    assert problem.rule == "a site needs its own site-9.yaml"
    for folder in (*places.values(), repository / "site_configs"):
        assert str(folder) in problem.found
    assert "FEDGIN_SITE_CONFIGS" in problem.mend


@pytest.mark.parametrize(
    "name",
    ["../x", "..", ".", "", "a/b", "/etc/x", ".hidden", "-x", "a b", "a\n", "ä", "a\\b", "_a"],
)
def test_an_unfit_name_is_refused_before_any_file_is_looked_for(
    places: dict[str, Path], name: str
) -> None:
    put(places["variable"].parent, seed=1, name="x")  # what ../x would find
    with pytest.raises(ConfigError) as caught:
        load_site(name)
    (problem,) = caught.value.problems
    assert "letters, digits, '.', '_' and '-' only" in problem.rule
    assert problem.found == repr(name)
    assert problem.mend == "rename the site"


@pytest.mark.parametrize("name", ["site-1", "A", "9", "a.b_c-d", "a..b"])
def test_a_fit_name_is_looked_for(places: dict[str, Path], name: str) -> None:
    file = put(places["variable"], seed=1, name=name)
    assert load_site(name).path == file


def test_a_wrong_file_is_named_and_not_passed_over(places: dict[str, Path]) -> None:
    put(places["here"], seed=3)
    wrong = put(places["variable"], seed=-1)
    with pytest.raises(ConfigError) as caught:
        load_site("site-9")
    (problem,) = caught.value.problems
    assert problem.where == f"{wrong}: key 'dataset.phantom.seed'"


def test_several_sites_are_read_in_order(places: dict[str, Path]) -> None:
    put(places["variable"], seed=1, name="b")
    put(places["here"], seed=2, name="a")
    assert [site.name for site in load_sites(["b", "a"])] == ["b", "a"]


def test_the_problems_of_several_sites_come_together(places: dict[str, Path]) -> None:
    put(places["variable"], seed=1, name="good")
    put(places["variable"], seed=-1, name="wrong")
    with pytest.raises(ConfigError) as caught:
        load_sites(["missing", "good", "wrong", "../x"])
    wheres = [problem.where for problem in caught.value.problems]
    assert len(wheres) == 3
    assert wheres[0] == "site 'missing'"
    assert wheres[1].endswith("wrong.yaml: key 'dataset.phantom.seed'")
    assert wheres[2] == "site '../x'"
