"""Which views the settings build, and which random numbers each of them takes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from batches import generator, random_images

from fedgin.augment.bezier import Bezier
from fedgin.augment.fourier import Fourier
from fedgin.augment.gin import Gin
from fedgin.augment.ipa import Ipa
from fedgin.augment.randconv import RandConv
from fedgin.augment.views import ViewPlan, build_views, make_views
from fedgin.settings import make_settings


def plan(**values: Any) -> ViewPlan:
    return build_views(make_settings(task="heart", **values).training)


def views(plan: ViewPlan, images: torch.Tensor) -> list[torch.Tensor]:
    made = make_views(plan, images, generator=lambda view: generator(100 + view))
    return list(made.split(len(images)))


@pytest.mark.parametrize(
    ("values", "kinds", "supervised", "consistency"),
    [
        ({"augmentation": "none"}, [type(None)], 1, 0),
        ({"augmentation": "gin"}, [Gin], 1, 0),
        ({"augmentation": "gin", "gin": {"consistency": 3}}, [Gin] * 3, 1, 3),
        ({"augmentation": "gin", "gin": {"ipa": True}}, [Ipa], 1, 0),
        ({"augmentation": "gin", "gin": {"ipa": True, "consistency": 10}}, [Ipa, Ipa, Gin], 1, 10),
        ({"augmentation": "randconv"}, [RandConv] * 3, 1, 10),
        ({"augmentation": "randconv", "randconv": {"mode": "img"}}, [RandConv] * 3, 1, 5),
        ({"augmentation": "randconv", "randconv": {"consistency": 0}}, [RandConv], 1, 0),
        ({"augmentation": "randconv", "randconv": {"consistency": 2.5}}, [RandConv] * 3, 1, 2.5),
        ({"augmentation": "fourier"}, [Fourier], 1, 0),
        ({"augmentation": "bezier"}, [Bezier], 1, 0),
        ({"augmentation": "dual_normalization"}, [Bezier, Bezier], 2, 0),
    ],
)
def test_the_settings_decide_on_the_views(
    values: dict[str, Any], kinds: list[type], supervised: int, consistency: float
) -> None:
    built = plan(**values)
    assert [type(transform) for transform in built.transforms] == kinds
    assert built.count == len(kinds)
    assert built.supervised == supervised
    assert built.consistency == consistency


def test_arguments_reach_the_transforms() -> None:
    (gin,) = plan(gin={"probability": 0.3, "layers": 2, "draw": "per_batch"}).transforms
    assert (gin.probability, gin.layers, gin.per_batch) == (0.3, 2, True)
    randconv, *_ = plan(
        augmentation="randconv",
        randconv={"mode": "img", "identity_probability": 0.2, "kernel_sizes": [3]},
    ).transforms
    assert (randconv.mode, randconv.identity_probability, randconv.kernel_sizes) == (
        "img",
        0.2,
        (3,),
    )
    (fourier,) = plan(
        augmentation="fourier", fourier={"mode": "swap", "strength": 0.4, "betas": [0.2]}
    ).transforms
    assert (fourier.mode, fourier.strength, fourier.betas) == ("swap", 0.4, (0.2,))
    (bezier,) = plan(
        augmentation="bezier", bezier={"probability": 0.1, "inverted": True}
    ).transforms
    assert (bezier.probability, bezier.inverted) == (0.1, True)


@pytest.mark.parametrize(
    "values", [{"gin": {"consistency": 10}}, {"augmentation": "randconv"}], ids=str
)
def test_consistency_views_are_independent_copies_of_the_original(values: dict[str, Any]) -> None:
    images = random_images((2, 1, 16, 16))
    built = plan(**values)
    found = views(built, images)
    assert len(found) == 3
    for number, view in enumerate(found):
        transform = built.transforms[number]
        draw = transform.draw(images.shape, generator=generator(100 + number))
        assert torch.equal(view, transform.apply(images, draw))
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found[1], found[2])


def test_the_first_view_of_gin_is_that_of_a_run_without_consistency() -> None:
    images = random_images((2, 1, 16, 16))
    (alone,) = views(plan(), images)
    assert torch.equal(views(plan(gin={"consistency": 10}), images)[0], alone)


def test_the_two_ipa_views_are_complementary_blends_of_the_same_copies() -> None:
    images = random_images((2, 1, 24, 24))
    built = plan(gin={"ipa": True, "consistency": 10})
    blend, complement, third = views(built, images)
    gin, draw = Gin(), built.transforms[0].draw(images.shape, generator=generator(100))
    first, second = gin.apply(images, draw.first), gin.apply(images, draw.second)
    torch.testing.assert_close(blend + complement, first + second, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(blend, complement, atol=1e-2)
    own = gin.apply(images, gin.draw(images.shape, generator=generator(102)))
    assert torch.equal(third, own)


def test_views_lie_one_after_the_other() -> None:
    images = random_images((3, 1, 8, 8))
    mixed = ViewPlan((None, Bezier(probability=1.0), None))
    found = views(mixed, images)
    assert torch.equal(found[0], images)
    assert torch.equal(found[2], images)
    assert not torch.equal(found[1], images)
