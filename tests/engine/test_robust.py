"""Robust aggregation against numpy, scipy and multi-Krum written out from its definition."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from fedgin.engine.averaging import average_updates
from fedgin.engine.robust import (
    clipped_mean,
    coordinate_median,
    cut_mean,
    krum_selection,
    multi_krum,
    squared_distances,
    trimmed_mean,
)
from fedgin.engine.spool import SpooledArrays
from fedgin.engine.weights import Weights

Arrays = Mapping[str, np.ndarray]
Loaders = dict[str, Callable[[], Arrays]]
METHODS: dict[str, Callable[[Loaders], Weights]] = {
    "median": coordinate_median,
    "trimmed mean": lambda updates: trimmed_mean(updates, trim=0.2),
    "norm clipping": lambda updates: clipped_mean(
        updates, weights={site: 1.0 + len(site) for site in updates}, max_norm=3.0
    ),
    "multi-Krum": lambda updates: multi_krum(updates, byzantine=1),
}


def made(n: int = 7, *, seed: int = 0) -> dict[str, Weights]:
    generator = np.random.default_rng(seed)
    return {
        f"site-{number + 1}": {
            "weight": generator.normal(size=(3, 4)).astype(np.float32),
            "bias": generator.normal(size=5).astype(np.float32),
            "scale": np.asarray(generator.normal(), np.float32),
        }
        for number in range(n)
    }


def lazily(updates: Mapping[str, Arrays]) -> Loaders:
    return {site: (lambda arrays=arrays: arrays) for site, arrays in updates.items()}


def stacked(updates: Mapping[str, Arrays], name: str) -> np.ndarray:
    return np.stack([arrays[name].astype(np.float64) for arrays in updates.values()])


def row(arrays: Arrays) -> np.ndarray:
    return np.concatenate([np.ravel(arrays[name]).astype(np.float64) for name in sorted(arrays)])


@pytest.mark.parametrize("n", [1, 2, 3, 6, 7])
def test_the_median_is_numpy_s(n: int) -> None:
    updates = made(n)
    found = coordinate_median(lazily(updates))
    for name in ("weight", "bias", "scale"):
        expected = np.median(stacked(updates, name), axis=0).astype(np.float32)
        assert found[name].dtype == np.float32
        assert found[name].shape == updates["site-1"][name].shape
        assert np.array_equal(found[name], expected)


@pytest.mark.parametrize("n", [1, 4, 5, 9, 10])
@pytest.mark.parametrize("trim", [0.0, 0.1, 0.2, 0.25, 0.49])
def test_the_trimmed_mean_is_scipy_s(n: int, trim: float) -> None:
    updates = made(n)
    found = trimmed_mean(lazily(updates), trim=trim)
    for name in ("weight", "bias", "scale"):
        expected = stats.trim_mean(stacked(updates, name), trim, axis=0)
        np.testing.assert_allclose(found[name], expected, rtol=1e-6, atol=1e-7)


def krum_by_definition(updates: Mapping[str, Arrays], f: int) -> set[str]:
    """Scores by their definition: the best sum over every choice of n - f - 2 others."""
    rows = {site: row(arrays) for site, arrays in updates.items()}
    n = len(rows)
    scores = {}
    for site in rows:
        others = [float(np.sum((rows[site] - rows[o]) ** 2)) for o in rows if o != site]
        scores[site] = min(map(sum, itertools.combinations(others, n - f - 2)))
    return set(sorted(scores, key=lambda site: scores[site])[: n - f])


@pytest.mark.parametrize(("n", "f"), [(5, 1), (6, 1), (7, 1), (7, 2), (9, 3)])
@pytest.mark.parametrize("seed", range(4))
def test_multi_krum_chooses_and_averages_as_defined(n: int, f: int, seed: int) -> None:
    updates = made(n, seed=seed)
    chosen = krum_by_definition(updates, f)
    assert set(krum_selection(lazily(updates), byzantine=f)) == chosen
    found = multi_krum(lazily(updates), byzantine=f)
    for name in ("weight", "bias", "scale"):
        expected = np.mean([updates[site][name].astype(np.float64) for site in chosen], axis=0)
        np.testing.assert_allclose(found[name], expected, rtol=1e-6, atol=1e-7)


def test_distances_are_those_of_whole_updates_but_for_counts_of_batches() -> None:
    updates = made(4)
    plain = {site: row(arrays) for site, arrays in updates.items()}
    for number, arrays in enumerate(updates.values()):
        arrays["n.num_batches_tracked"] = np.asarray(number * 1e6, np.float32)
    found = squared_distances(lazily(updates))
    for one, other in itertools.permutations(updates, 2):
        assert found[one][other] == pytest.approx(np.sum((plain[one] - plain[other]) ** 2))


def test_equal_updates_are_chosen_by_name() -> None:
    alike = {f"site-{number}": {"w": np.ones(3, np.float32)} for number in (5, 3, 1, 4, 2)}
    assert krum_selection(lazily(alike), byzantine=1) == ("site-1", "site-2", "site-3", "site-4")


def test_clipping_scales_what_is_too_large_and_nothing_else() -> None:
    updates = made(3)
    updates["site-2"] = {name: array * 100 for name, array in updates["site-2"].items()}
    weights = {"site-1": 1.0, "site-2": 2.0, "site-3": 5.0}
    limit = 1.01 * max(np.linalg.norm(row(updates[site])) for site in ("site-1", "site-3"))
    found = clipped_mean(lazily(updates), weights=weights, max_norm=limit)
    factor = limit / np.linalg.norm(row(updates["site-2"]))
    for name in ("weight", "bias", "scale"):
        parts = {site: arrays[name].astype(np.float64) for site, arrays in updates.items()}
        expected = (parts["site-1"] + 2 * factor * parts["site-2"] + 5 * parts["site-3"]) / 8
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-6)
    # One site alone moves the mean by its share of the limit at most.
    assert np.linalg.norm(row({n: a * factor for n, a in updates["site-2"].items()})) <= limit


def test_clipping_that_clips_nobody_is_the_plain_average_bit_for_bit() -> None:
    updates = made()
    weights = {site: 1.0 + number for number, site in enumerate(updates)}
    found = clipped_mean(lazily(updates), weights=weights, max_norm=1e9)
    plain = average_updates(lazily(updates), weights=weights)
    assert all(found[name].tobytes() == plain[name].tobytes() for name in plain)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_neither_the_order_nor_the_disk_changes_a_bit(
    method: Callable[[Loaders], Weights], tmp_path: Path
) -> None:
    updates = made()
    updates["site-4"] = {name: array * 1e20 for name, array in updates["site-4"].items()}
    reference = method(lazily(updates))
    generator = np.random.default_rng(0)
    for _ in range(12):
        order = list(generator.permutation(list(updates)))
        found = method(lazily({str(site): updates[str(site)] for site in order}))
        assert all(found[name].tobytes() == reference[name].tobytes() for name in reference)
    spooled = {
        site: SpooledArrays(tmp_path / f"{site}.npz", arrays) for site, arrays in updates.items()
    }
    found = method(lazily(spooled))
    assert found.keys() == reference.keys()
    assert all(found[name].tobytes() == reference[name].tobytes() for name in reference)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_what_one_of_five_sends_moves_the_result_little(
    method: Callable[[Loaders], Weights],
) -> None:
    honest = made(4)
    centre = np.mean([row(arrays) for arrays in honest.values()], axis=0)
    spread = max(float(np.linalg.norm(row(arrays) - centre)) for arrays in honest.values())
    for size in (1e2, 1e10, 1e30):
        attack = {name: np.full_like(array, -size) for name, array in made(1)["site-1"].items()}
        found = method(lazily({**honest, "site-0": attack}))
        assert np.linalg.norm(row(found) - centre) <= 2 * spread
        plain = average_updates(
            lazily({**honest, "site-0": attack}),
            weights=dict.fromkeys([*honest, "site-0"], 1.0),
        )
        assert np.linalg.norm(row(plain) - centre) > 2 * spread  # without the defence


VALUES = st.floats(min_value=-100, max_value=100, width=32)


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(3, 6), st.integers(1, 8)), elements=VALUES),
    hnp.arrays(np.float32, 8, elements=st.floats(-(2.0**100), 2.0**100, width=32)),
)
def test_a_coordinate_stays_between_the_honest_ones(honest: np.ndarray, bad: np.ndarray) -> None:
    updates = {f"honest-{number}": {"w": values} for number, values in enumerate(honest)}
    updates["bad"] = {"w": bad[: honest.shape[1]]}
    n = len(updates)
    for found in (
        coordinate_median(lazily(updates)),
        trimmed_mean(lazily(updates), trim=1.001 / n),
    ):
        slack = 1e-5 * (1 + np.abs(honest).max())
        assert (found["w"] >= honest.min(axis=0) - slack).all()
        assert (found["w"] <= honest.max(axis=0) + slack).all()


@settings(max_examples=50)
@given(hnp.arrays(np.float32, (6, 4), elements=VALUES), VALUES)
def test_a_common_shift_shifts_the_result(values: np.ndarray, shift: float) -> None:
    before = {f"s{number}": {"w": array} for number, array in enumerate(values)}
    after = {site: {"w": arrays["w"] + np.float32(shift)} for site, arrays in before.items()}
    for method in (coordinate_median, METHODS["trimmed mean"]):
        moved = method(lazily(after))["w"] - method(lazily(before))["w"]
        np.testing.assert_allclose(moved, shift, atol=1e-3)


def test_a_variance_stays_positive_and_takes_no_spread_of_wild_means() -> None:
    updates = {
        f"site-{number}": {
            "n.running_mean": np.full(2, mean, np.float32),
            "n.running_var": np.full(2, variance, np.float32),
            "n.num_batches_tracked": np.asarray(10.0, np.float32),
        }
        for number, (mean, variance) in enumerate([(0, 1), (0.1, 2), (0.2, 3), (1e6, -5), (0, 2)])
    }
    for found in (coordinate_median(lazily(updates)), trimmed_mean(lazily(updates), trim=0.2)):
        assert ((found["n.running_var"] >= 1) & (found["n.running_var"] <= 3)).all()
    plain = average_updates(lazily(updates), weights=dict.fromkeys(updates, 1.0))
    assert (plain["n.running_var"] > 1e6).all()


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "no update": (lambda: coordinate_median({}), "nothing to aggregate"),
    "trim half": (lambda: trimmed_mean(lazily(made(5)), trim=0.5), "trim must be"),
    "trim below 0": (lambda: trimmed_mean(lazily(made(5)), trim=-0.1), "trim must be"),
    "cut all": (lambda: cut_mean(lazily(made(4)), cut=2), "4 updates cannot be cut by 2"),
    "too few for Krum": (lambda: multi_krum(lazily(made(4)), byzantine=1), "found 4"),
    "negative f": (lambda: multi_krum(lazily(made(4)), byzantine=-1), "multi-Krum"),
    "no limit": (
        lambda: clipped_mean(lazily(made(1)), weights={"site-1": 1.0}, max_norm=0),
        "max_norm",
    ),
    "other names": (
        lambda: coordinate_median(lazily({**made(2), "x": {"weight": np.ones((3, 4))}})),
        "'x' have other names",
    ),
    "another shape": (
        lambda: coordinate_median(lazily({"x": {"w": np.ones(2)}, "y": {"w": np.ones(1)}})),
        "another shape",
    ),
}


@pytest.mark.parametrize(("call", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_done_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
