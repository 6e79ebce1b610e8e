"""Slabs: the same windows, and so the same scores, as in the whole volume."""

from __future__ import annotations

import numpy as np
import pytest
from scans import CPU, PATCH, make_model, tiny_settings

from fedgin.engine.evaluator import class_scores, segment
from fedgin.engine.sliding_window import window_starts
from fedgin.predict.probabilities import iter_probabilities
from fedgin.predict.slabs import plan_slabs


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.75])
@pytest.mark.parametrize("limit", [1, 2**17, 2**20, 2**30])
def test_every_slice_comes_once_with_all_windows_that_hold_it(
    dims: int, overlap: float, limit: int
) -> None:
    settings = tiny_settings(dims=dims, overlap=overlap, window_batch=3)
    depth_of_window = PATCH[3][0] if dims == 3 else 1
    for depth in (1, 2, 15, 16, 17, 50, 71):
        slabs = list(plan_slabs((depth, 40, 50), settings, limit=limit))
        assert [z for slab in slabs for z in range(slab.start, slab.stop)] == list(range(depth))
        starts = window_starts(depth, depth_of_window, overlap) if dims == 3 else range(depth)
        for slab in slabs:
            needed = [
                place
                for place in starts
                if place < slab.stop and place + depth_of_window > slab.start
            ]
            assert slab.first <= needed[0]
            assert slab.last >= min(needed[-1] + depth_of_window, depth)
            # MONAI starts anew at the slab's first slice: it must place its windows on the same.
            inside = window_starts(slab.last - slab.first, depth_of_window, overlap)
            assert {slab.first + place for place in inside} >= set(needed) or dims == 2


@pytest.mark.parametrize("dims", [2, 3])
def test_a_slab_s_scores_fit_the_limit(dims: int) -> None:
    settings = tiny_settings("abdomen", dims=dims, window_batch=4)
    limit = 2**21
    for slab in plan_slabs((300, 40, 50), settings, limit=limit):
        assert 4 * settings.task.n_classes * (slab.last - slab.first) * 40 * 50 <= limit


@pytest.mark.parametrize("shape", [(21, 36, 33), (5, 20, 44)])
@pytest.mark.parametrize("dims", [2, 3])
def test_slabs_change_no_class(dims: int, shape: tuple[int, int, int]) -> None:
    model = make_model(tiny_settings("abdomen", dims=dims, overlap=0.4, window_batch=4))
    image = np.random.default_rng(0).normal(size=shape).astype(np.float16)
    whole = segment(model.network, image, settings=model.settings, device=CPU)
    scores = class_scores(model.network, image, settings=model.settings, device=CPU)
    for limit in (1, 2**17):
        slabs = list(iter_probabilities(model, image, limit=limit))
        assert len(slabs) > 1 or (dims, shape[0]) == (3, 5)
        found = np.concatenate([slab.classes.numpy() for slab in slabs])
        # Sums of the same numbers; another number of windows in a pass may turn a last bit.
        probabilities = np.concatenate([slab.probabilities.numpy() for slab in slabs])
        np.testing.assert_allclose(probabilities, scores.softmax(1).numpy(), atol=1e-5)
        ordered = np.sort(scores.numpy(), axis=1)
        clear = ordered[:, -1] - ordered[:, -2] > 1e-4
        assert np.array_equal(found[clear], whole[clear])


@pytest.mark.parametrize("network", ["dual_normalization", "none"])
def test_a_pass_holds_the_same_windows_as_without_slabs(network: str) -> None:
    """What one network says of a window depends on the others in the pass."""
    settings = tiny_settings(augmentation=network, window_batch=6)
    model = make_model(settings)
    image = np.random.default_rng(1).normal(size=(20, 36, 33)).astype(np.float16)
    whole = segment(model.network, image, settings=settings, device=CPU)
    slabs = list(iter_probabilities(model, image, limit=2**16))
    assert len(slabs) > 2
    assert np.array_equal(np.concatenate([slab.classes.numpy() for slab in slabs]), whole)
