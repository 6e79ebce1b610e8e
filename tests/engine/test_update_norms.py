"""Norms of updates, against numpy's on everything laid out in a row."""

from __future__ import annotations

import numpy as np
import pytest

from fedgin.engine.update_norms import group_of, update_norms


def test_each_group_has_the_norm_of_all_its_arrays() -> None:
    generator = np.random.default_rng(0)
    update = {
        "a.conv.weight": generator.normal(size=(4, 3, 3)).astype(np.float32),
        "a.norm.weight": generator.normal(size=4).astype(np.float32),
        "a.norm.running_mean": generator.normal(size=4).astype(np.float32) * 100,
        "a.norm.running_var": generator.normal(size=4).astype(np.float32) * 100,
        "a.norm.num_batches_tracked": np.asarray(170.0, np.float32),
    }
    groups = {
        "weights": ["a.conv.weight", "a.norm.weight"],
        "statistics": ["a.norm.running_mean", "a.norm.running_var"],
        "counts": ["a.norm.num_batches_tracked"],
    }
    found = update_norms(update)
    assert found.keys() == groups.keys()
    for group, names in groups.items():
        row = np.concatenate([np.ravel(update[name]).astype(np.float64) for name in names])
        assert found[group] == pytest.approx(np.linalg.norm(row), rel=1e-12)


def test_a_network_without_statistics_has_one_group() -> None:
    assert update_norms({"w": np.array([3.0, 4.0])}) == {"weights": 5.0}
    assert group_of("running_mean_of_the_author.weight") == "weights"


def test_the_largest_float32_values_do_not_overflow() -> None:
    largest = float(np.finfo(np.float32).max)
    found = update_norms({"w": np.full(10_000, largest, np.float32)})["weights"]
    assert found == pytest.approx(100 * largest)
