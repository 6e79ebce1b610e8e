"""The noise: its distribution, its source."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest
from updates import an_update, flat

from fedgin.privacy.gaussian import add_noise, secret_generator


def test_the_noise_is_normal_with_the_deviation_asked_for() -> None:
    update = {"a": np.full(200_000, 7.0, np.float32), "b": np.asarray(7.0, np.float32)}
    noisy = add_noise(update, standard_deviation=3.0, generator=np.random.default_rng(1))
    assert noisy["a"].dtype == noisy["b"].dtype == np.float32
    assert noisy["b"].shape == ()
    noise = (noisy["a"].astype(np.float64) - 7.0) / 3.0
    assert kstest(noise, "norm").pvalue > 0.01
    assert abs(np.corrcoef(noise[:-1], noise[1:])[0, 1]) < 0.01


def test_every_array_gets_noise_of_its_own() -> None:
    update = {"a": np.zeros(50, np.float32), "b": np.zeros(50, np.float32)}
    noisy = add_noise(update, standard_deviation=1.0, generator=np.random.default_rng(1))
    assert not np.intersect1d(noisy["a"], noisy["b"]).size


def test_the_same_generator_gives_the_same_noise_and_the_secret_one_never_does() -> None:
    def draw(generator: np.random.Generator) -> np.ndarray:
        return flat(add_noise(an_update(), standard_deviation=1.0, generator=generator))

    assert np.array_equal(draw(np.random.default_rng(5)), draw(np.random.default_rng(5)))
    np.random.seed(0)
    first = draw(secret_generator())
    np.random.seed(0)
    assert not np.intersect1d(first, draw(secret_generator())).size


@pytest.mark.parametrize("deviation", [0.0, -1.0, float("nan"), float("inf")])
def test_a_deviation_without_noise_is_an_error(deviation: float) -> None:
    with pytest.raises(ValueError, match="standard_deviation"):
        add_noise(an_update(), standard_deviation=deviation, generator=np.random.default_rng(0))
