"""The flip ensemble: which axes, and that what is flipped comes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scans import Bands, make_model, tiny_settings

from fedgin.errors import ConfigError
from fedgin.predict.flips import ensemble_axes, flips_of
from fedgin.predict.probabilities import SHIFT, iter_probabilities


def test_a_task_with_mirror_axes_uses_them() -> None:
    settings = tiny_settings()
    mirrored = replace(settings, task=replace(settings.task, mirror_axes=("x", "z")))
    assert ensemble_axes(mirrored, None) == ("x",)  # slices of a 2D network know no z
    cubic = tiny_settings(dims=3)
    cubic = replace(cubic, task=replace(cubic.task, mirror_axes=("x", "z")))
    assert ensemble_axes(cubic, None) == ("x", "z")


def test_a_task_without_refuses_unless_axes_are_named() -> None:
    with pytest.raises(ConfigError, match="trains without"):
        ensemble_axes(tiny_settings("abdomen"), None)
    assert ensemble_axes(tiny_settings("abdomen"), "x, y") == ("x", "y")


@pytest.mark.parametrize("asked", ["z", "x,x", "left", "", "x,"])
def test_axes_that_make_no_sense_are_refused(asked: str) -> None:
    with pytest.raises(ConfigError, match="--flip-axes"):
        ensemble_axes(tiny_settings(), asked)


def test_every_combination_is_a_member() -> None:
    assert flips_of(()) == ((),)
    assert flips_of(("x", "y", "z")) == (
        *((), (2,), (1,), (0,)),
        *((2, 1), (2, 0), (1, 0), (2, 1, 0)),
    )


@pytest.mark.parametrize("dims", [2, 3])
def test_a_network_that_looks_at_voxels_alone_is_never_of_two_minds(dims: int) -> None:
    model = make_model(tiny_settings(dims=dims), Bands(0, 1))
    image = np.random.default_rng(0).normal(0.5, 1, (21, 41, 37)).astype(np.float32)
    axes = ("x", "y", "z")[:dims]
    for slab in iter_probabilities(model, image, flips=flips_of(axes), shift=True, limit=2**17):
        truth = image[slab.start : slab.start + len(slab.classes)] > 0.5
        assert slab.dissent is not None
        assert slab.shifted is not None
        assert not slab.dissent.any()
        assert np.array_equal(slab.classes.numpy(), truth)
        assert np.array_equal(slab.shifted.numpy(), truth)


def test_probabilities_are_the_mean_of_the_members() -> None:
    model = make_model(tiny_settings("abdomen"))
    image = np.random.default_rng(1).normal(size=(3, 40, 36)).astype(np.float32)

    def probabilities(volume: np.ndarray, **options: object) -> torch.Tensor:
        slabs = list(iter_probabilities(model, volume, **options))  # type: ignore[arg-type]
        return torch.cat([slab.probabilities for slab in slabs])

    flipped = probabilities(image[:, :, ::-1]).flip(3)
    expected = (probabilities(image) + flipped) / 2
    found = probabilities(image, flips=flips_of(("x",)))
    torch.testing.assert_close(found, expected)
    (slab,) = iter_probabilities(model, image, flips=flips_of(("x",)))
    assert slab.dissent is not None
    members = torch.stack([probabilities(image).argmax(1), flipped.argmax(1)])
    torch.testing.assert_close(
        slab.dissent, (members != slab.classes).float().mean(0), atol=0, rtol=0
    )


def test_the_shifted_image_is_moved_back() -> None:
    model = make_model()
    image = np.random.default_rng(2).normal(size=(2, 40, 36)).astype(np.float32)
    (slab,) = iter_probabilities(model, image, shift=True)
    moved = np.roll(image, SHIFT, axis=(1, 2))
    (other,) = iter_probabilities(model, moved)
    assert slab.shifted is not None
    assert np.array_equal(np.roll(slab.shifted.numpy(), SHIFT, axis=(1, 2)), other.classes.numpy())
