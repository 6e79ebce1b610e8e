"""Who trains, validates and tests: a patient is never divided."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from site_files import make_site, problems_of

from fedgin.config import parse
from fedgin.data.sources import FileCase
from fedgin.data.split import SPLITS, split_cases
from fedgin.errors import ConfigError
from fedgin.sites.lookup import Site
from fedgin.sites.schema import SiteConfig


def site_with(**split: object) -> Site:
    dataset = {"kind": "phantom", "protocol": "arterial", "seed": 1, "cases": 1}
    data = {"modality": "CT", "dataset": dataset, "split": split}
    return Site(name="a", path=Path("a.yaml"), config=parse(SiteConfig, data, where="a.yaml"))


def case(name: str, patient: str | None = None, fixed: str | None = None) -> FileCase:
    return FileCase(name, patient or name, Path(f"{name}.nii"), Path(f"{name}_l.nii"), fixed)


def named(splits: dict[str, list[FileCase]]) -> dict[str, list[str]]:
    return {name: sorted(c.name for c in cases) for name, cases in splits.items()}


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    patients=st.lists(st.integers(0, 12), min_size=1, max_size=40),
    validation=st.floats(0, 0.5),
    test=st.floats(0, 0.45),
    seed=st.integers(0, 1000),
    order=st.randoms(use_true_random=False),
)
def test_a_fraction_split_never_divides_a_patient_and_ignores_the_order_of_cases(
    patients: list[int], validation: float, test: float, seed: int, order: object
) -> None:
    site = site_with(by="fraction", validation=validation, test=test, seed=seed)
    cases = [case(f"c{number}", f"p{patient}") for number, patient in enumerate(patients)]
    splits = split_cases(site, cases)
    assert tuple(splits) == SPLITS
    assert sorted(c.name for dealt in splits.values() for c in dealt) == sorted(
        c.name for c in cases
    )
    of = {name: {c.patient for c in dealt} for name, dealt in splits.items()}
    assert sum(len(found) for found in of.values()) == len(set(patients))
    assert of["train"]
    shuffled = list(cases)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert named(split_cases(site, shuffled)) == named(splits)


@pytest.mark.parametrize(
    ("n", "validation", "test", "expected"),
    [
        (100, 0.15, 0.25, (60, 15, 25)),
        (20, 0.1, 0.3, (12, 2, 6)),
        (10, 0.01, 0.01, (8, 1, 1)),  # above zero means at least one
        (10, 0.0, 0.0, (10, 0, 0)),
        (3, 0.15, 0.25, (1, 1, 1)),
        (2, 0.15, 0.25, (1, 0, 1)),  # somebody must train, and testing goes before choosing
        (1, 0.15, 0.25, (1, 0, 0)),
        (3, 0.45, 0.5, (1, 0, 2)),
    ],
)
def test_shares_are_of_patients(
    n: int, validation: float, test: float, expected: tuple[int, ...]
) -> None:
    site = site_with(by="fraction", validation=validation, test=test)
    cases = [case(f"c{number}-{scan}", f"p{number}") for number in range(n) for scan in range(2)]
    splits = split_cases(site, cases)
    assert tuple(len(splits[name]) for name in SPLITS) == tuple(2 * count for count in expected)


def test_another_seed_is_another_split() -> None:
    cases = [case(f"c{number}") for number in range(20)]
    found = {
        tuple(named(split_cases(site_with(by="fraction", seed=seed), cases))["test"])
        for seed in range(10)
    }
    assert len(found) == 10


def test_every_patient_is_tested_about_equally_often() -> None:
    cases = [case(f"c{number}") for number in range(10)]
    counts = dict.fromkeys((c.name for c in cases), 0)
    for seed in range(300):
        splits = split_cases(site_with(by="fraction", test=0.3, seed=seed), cases)
        for chosen in splits["test"]:
            counts[chosen.name] += 1
    # Binomial: mean 90, standard deviation 8.
    assert sum(counts.values()) == 900
    assert all(90 - 4 * 8 < count < 90 + 4 * 8 for count in counts.values())


def test_an_explicit_split_takes_all_scans_of_a_patient() -> None:
    site = site_with(by="patient", train=["p", "q"], validation=["r"])
    cases = [case("a", "p"), case("b", "q"), case("c", "p"), case("d", "r")]
    assert named(split_cases(site, cases)) == {
        "train": ["a", "b", "c"],
        "validation": ["d"],
        "test": [],
    }


def test_unknown_and_left_out_patients_are_refused_together() -> None:
    site = site_with(by="patient", train=["p", "y"], test=["x"])
    cases = [case("a", "p"), case("b", "q"), case("c", "r")]
    unknown, left_out = problems_of(lambda: split_cases(site, cases), ConfigError)
    assert unknown.where == left_out.where == "a.yaml: key 'split'"
    assert unknown.rule == "every patient named must have a case"
    assert unknown.found == "no case of x, y"
    assert unknown.mend.startswith("correct the identifiers")
    assert left_out.rule == "every patient must be named"
    assert left_out.found == "q, r in no split"
    assert "remove their cases" in left_out.mend


def test_a_split_of_the_data_set_goes_before_the_sites() -> None:
    cases = [case("a", fixed="train"), case("b", fixed="test"), case("c", fixed="validation")]
    splits = split_cases(site_with(by="fraction", validation=0.0, test=0.0), cases)
    assert named(splits) == {"train": ["a"], "validation": ["c"], "test": ["b"]}


def test_a_site_that_only_tests_tests_on_everyone_whatever_its_data_say() -> None:
    cases = [case("a", fixed="train"), case("b"), case("c", fixed="validation")]
    dealt = named(split_cases(site_with(by="test"), cases))
    assert dealt == {"train": [], "validation": [], "test": ["a", "b", "c"]}


def test_slabs_give_every_case_to_every_split_with_a_share(tmp_path: Path) -> None:
    site = make_site(tmp_path, split={"by": "slab", "train": 0.7, "test": 0.3})
    assert named(split_cases(site, [case("a"), case("b")])) == {
        "train": ["a", "b"],
        "validation": [],
        "test": ["a", "b"],
    }
