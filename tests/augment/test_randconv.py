"""RandConv against its formula in float64 and its laws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from batches import SHAPES, generator, random_images
from scipy import ndimage, stats

from fedgin.augment.randconv import RandConv


def convolved(image: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Cross-correlates (C, *space) with (C_out, C, k, ...), zeros beyond the border."""
    return np.stack(
        [
            sum(
                ndimage.correlate(image[channel], weight[out, channel], mode="constant", cval=0.0)
                for channel in range(weight.shape[1])
            )
            for out in range(weight.shape[0])
        ]
    )


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("mode", ["img", "mix"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_apply_computes_the_published_formula(
    shape: tuple[int, ...], mode: str, kernel: int
) -> None:
    images = random_images(shape)
    randconv = RandConv(mode=mode, identity_probability=0.0, kernel_sizes=(kernel,))
    for seed in range(3):
        draw = randconv.draw(shape, generator=generator(seed))
        assert draw.weight.shape == (shape[1], shape[1], *(kernel,) * (len(shape) - 2))
        weight = draw.weight.double().numpy()
        found = randconv.apply(images, draw).numpy()
        for sample, image in enumerate(images.double().numpy()):
            output = convolved(image, weight)
            alpha = draw.alpha if mode == "mix" else 1.0
            expected = alpha * output + (1 - alpha) * image
            np.testing.assert_allclose(found[sample], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("channels", "kernel", "dims"), [(1, 3, 2), (1, 7, 2), (2, 3, 3)])
def test_weights_are_normal_with_the_variance_of_the_fan_in(
    channels: int, kernel: int, dims: int
) -> None:
    randconv = RandConv(kernel_sizes=(kernel,))
    shape = (2, channels, *(8,) * dims)
    source = generator(3)
    weights = np.concatenate(
        [randconv.draw(shape, generator=source).weight.numpy().ravel() for _ in range(400)]
    )
    scaled = weights * np.sqrt(channels * kernel**dims)
    assert abs(scaled.std() - 1) < 5 / np.sqrt(2 * scaled.size)
    assert stats.kstest(scaled, "norm").pvalue > 1e-4


def test_the_scale_of_white_noise_stays_on_average() -> None:
    images = random_images((1, 1, 40, 40))
    randconv = RandConv(mode="img", identity_probability=0.0, kernel_sizes=(3,))
    source = generator(4)
    variances = [
        float(randconv.apply(images, randconv.draw(images.shape, generator=source)).var())
        for _ in range(600)
    ]
    # The variance of a call is chi-squared over its 9 weights: mean 1, deviation sqrt(2 / 9).
    assert abs(np.mean(variances) - 1) < 5 * np.sqrt(2 / 9 / 600) + 0.05  # border: zeros enter


def test_kernel_sizes_are_chosen_alike() -> None:
    source = generator(5)
    sizes = [RandConv().draw((1, 1, 4, 4), generator=source).weight.shape[-1] for _ in range(2000)]
    counts = [sizes.count(size) for size in (1, 3, 5, 7)]
    assert sum(counts) == 2000
    assert stats.chisquare(counts).pvalue > 1e-4


def test_alpha_is_uniform_in_mode_mix_and_no_call_is_left_out() -> None:
    source = generator(6)
    draws = [RandConv(mode="mix").draw((1, 1, 2, 2), generator=source) for _ in range(3000)]
    assert stats.kstest([draw.alpha for draw in draws], "uniform").pvalue > 1e-4
    assert not any(draw.identity for draw in draws)


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_mode_img_leaves_the_whole_batch_with_the_given_chance(probability: float) -> None:
    images = random_images((3, 1, 6, 6))
    randconv = RandConv(mode="img", identity_probability=probability)
    source, calls = generator(7), 1000
    same = []
    for _ in range(calls):
        draw = randconv.draw(images.shape, generator=source)
        equal = (randconv.apply(images, draw) == images).flatten(1).all(dim=1)
        assert equal.all() or not equal.any()  # one decision for the whole batch
        same.append(bool(equal.all()))
    assert abs(np.mean(same) - probability) <= 5 * np.sqrt(probability * (1 - probability) / calls)


def test_one_filter_serves_the_whole_batch() -> None:
    images = random_images((1, 1, 10, 10)).repeat(4, 1, 1, 1)
    found = RandConv().apply(images, RandConv().draw(images.shape, generator=generator(8)))
    torch.testing.assert_close(found, found[:1].expand_as(found))


def test_mode_img_is_linear() -> None:
    first, second = random_images((2, 1, 9, 7), seed=1), random_images((2, 1, 9, 7), seed=2)
    randconv = RandConv(mode="img", identity_probability=0.0)
    draw = randconv.draw(first.shape, generator=generator(9))
    torch.testing.assert_close(
        randconv.apply(2 * first - 3 * second, draw),
        2 * randconv.apply(first, draw) - 3 * randconv.apply(second, draw),
        rtol=1e-4,
        atol=1e-4,
    )
