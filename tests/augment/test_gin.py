"""GIN against its published formula, computed independently in float64, and its promises."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from fedgin.augment.gin import Gin, GinDraw
from fedgin.augment.gin_tensors import convolve_by_product

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
SHAPES = {"2d": (3, 1, 12, 9), "3d": (3, 1, 6, 7, 5), "2d two channels": (2, 2, 10, 11)}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_images(shape: Sequence[int], seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed))


def convolve_reference(image: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Cross-correlates (C_in, *space) with (C_out, C_in, k, ...), zeros beyond the border."""
    return np.stack(
        [
            bias[out]
            + sum(
                ndimage.correlate(image[channel], weight[out, channel], mode="constant", cval=0.0)
                for channel in range(weight.shape[1])
            )
            for out in range(weight.shape[0])
        ]
    )


def gin_reference(images: np.ndarray, draw: GinDraw) -> np.ndarray:
    """m = a g(x) + (1 - a) x; m ||x|| / (||m|| + 1e-5), sample by sample, in float64."""
    outputs = []
    for sample, image in enumerate(images.astype(np.float64)):
        features = image
        for number, layer in enumerate(draw.layers):
            if number > 0:
                features = np.where(features > 0, features, 0.01 * features)
            features = convolve_reference(
                features,
                layer.weight[sample].numpy().astype(np.float64),
                layer.bias[sample].numpy().astype(np.float64),
            )
        alpha = float(draw.alpha[sample])
        mixed = alpha * features + (1 - alpha) * image
        outputs.append(mixed * np.linalg.norm(image) / (np.linalg.norm(mixed) + 1e-5))
    return np.stack(outputs)


@pytest.mark.parametrize("kernels", [(1,), (3,), (5,)])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_apply_computes_the_published_formula(
    shape: tuple[int, ...], kernels: tuple[int, ...]
) -> None:
    images = random_images(shape)
    gin = Gin(kernel_sizes=kernels)
    for seed in range(3):
        draw = gin.draw(shape, generator=generator(seed))
        expected = gin_reference(images.numpy(), draw)
        found = gin.apply(images, draw).numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_apply_computes_the_formula_with_layers_of_both_kernel_sizes(
    shape: tuple[int, ...],
) -> None:
    images = random_images(shape)
    gin = Gin()
    draws = [gin.draw(shape, generator=generator(seed)) for seed in range(12)]
    mixed = [d for d in draws if {layer.kernel_size for layer in d.layers} == {1, 3}]
    assert len(mixed) >= 6
    for draw in mixed:
        expected = gin_reference(images.numpy(), draw)
        found = gin.apply(images, draw).numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_the_network_has_four_layers_of_two_hidden_channels() -> None:
    draw = Gin().draw((5, 3, 8, 8), generator=generator())
    widths = [tuple(layer.weight.shape[:3]) for layer in draw.layers]
    assert widths == [(5, 2, 3), (5, 2, 2), (5, 2, 2), (5, 3, 2)]
    assert [tuple(layer.bias.shape) for layer in draw.layers] == [(5, 2), (5, 2), (5, 2), (5, 3)]


@pytest.mark.parametrize("kernel", [1, 3])
def test_weights_and_biases_are_standard_normal_without_fan_in_scaling(kernel: int) -> None:
    draw = Gin(kernel_sizes=(kernel,)).draw((4000, 1, 8, 8), generator=generator(3))
    for layer in draw.layers:  # one with fan-in k * k, three with 2 * k * k
        for values in (layer.weight.numpy().ravel(), layer.bias.numpy().ravel()):
            bound = 5 / np.sqrt(values.size)
            assert abs(values.mean()) < bound
            assert abs(values.std() - 1) < bound
            assert stats.kstest(values, "norm").pvalue > 1e-4


def test_alpha_is_uniform_from_zero_to_one() -> None:
    alpha = Gin().draw((20_000, 1, 2, 2), generator=generator(4)).alpha.numpy()
    assert alpha.min() >= 0
    assert alpha.max() < 1
    assert stats.kstest(alpha, "uniform").pvalue > 1e-4


def test_kernel_sizes_are_chosen_alike_and_layer_by_layer() -> None:
    gin, source, draws = Gin(), generator(5), 1600
    chosen = [
        tuple(layer.kernel_size for layer in gin.draw((1, 1, 2, 2), generator=source).layers)
        for _ in range(draws)
    ]
    counts = [chosen.count(combination) for combination in itertools.product((1, 3), repeat=4)]
    assert sum(counts) == draws
    assert stats.chisquare(counts).pvalue > 1e-4


def test_each_sample_has_its_own_network_and_alpha() -> None:
    draw = Gin().draw((4, 1, 8, 8), generator=generator(6))
    for first, second in itertools.combinations(range(4), 2):
        assert draw.alpha[first] != draw.alpha[second]
        for layer in draw.layers:
            assert not torch.equal(layer.weight[first], layer.weight[second])
            assert not torch.equal(layer.bias[first], layer.bias[second])


@pytest.mark.parametrize("kernels", [(1,), (3,), (1, 3)])
def test_a_sample_does_not_see_the_others(kernels: tuple[int, ...]) -> None:
    images = random_images((4, 1, 16, 16))
    gin = Gin(kernel_sizes=kernels)
    draw = gin.draw(images.shape, generator=generator(7))
    before = gin.apply(images, draw)
    changed = images.clone()
    changed[0] = 100 * torch.randn(1, 16, 16, generator=generator(8))
    after = gin.apply(changed, draw)
    assert torch.equal(before[1:], after[1:])
    assert not torch.equal(before[0], after[0])


def test_per_batch_shares_one_network_and_one_alpha() -> None:
    images = random_images((1, 1, 10, 10)).repeat(3, 1, 1, 1)
    gin = Gin(per_batch=True)
    draw = gin.draw(images.shape, generator=generator(9))
    assert draw.alpha.unique().numel() == 1
    shared = gin.apply(images, draw).numpy()
    np.testing.assert_allclose(shared, shared[:1].repeat(3, axis=0), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(shared, gin_reference(images.numpy(), draw), atol=1e-4)
    own = Gin()(images, generator=generator(9))
    assert not np.allclose(own[0], own[1], atol=1e-2)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_energy_of_each_sample_stays(shape: tuple[int, ...]) -> None:
    scales = torch.tensor([0.1, 1.0, 300.0])[: shape[0]].reshape(-1, *[1] * (len(shape) - 1))
    images = random_images(shape) * scales
    for seed in range(10):
        out = Gin()(images, generator=generator(seed))
        found = np.linalg.norm(out.double().flatten(1).numpy(), axis=1)
        expected = np.linalg.norm(images.double().flatten(1).numpy(), axis=1)
        np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_and_device_are_kept(dtype: torch.dtype, device: str) -> None:
    images = random_images((2, 1, 8, 8)).to(device=device, dtype=dtype)
    gin = Gin()
    draw = gin.draw(images.shape, generator=generator(10))
    out = gin.apply(images, draw)
    assert out.dtype == dtype
    assert out.device == images.device
    expected = gin_reference(images.double().cpu().numpy(), draw)
    precision = {torch.float16: 4e-3, torch.bfloat16: 3e-2}.get(dtype, 1e-3)
    np.testing.assert_allclose(out.double().cpu().numpy(), expected, rtol=precision, atol=precision)


@pytest.mark.parametrize("device", DEVICES)
def test_no_gradient_flows(device: str) -> None:
    images = random_images((2, 1, 8, 8)).to(device).requires_grad_()
    out = Gin()(images, generator=generator(11))
    assert not out.requires_grad
    assert out.grad_fn is None


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_autocast_does_not_lower_the_precision(shape: tuple[int, ...], device: str) -> None:
    images = random_images(shape).to(device) * 1e3
    gin = Gin()
    draw = gin.draw(shape, generator=generator(12))
    plain = gin.apply(images, draw)
    with torch.autocast(device, dtype=torch.bfloat16):
        cast = gin.apply(images, draw)
    assert cast.dtype == torch.float32
    assert torch.isfinite(cast).all()
    torch.testing.assert_close(cast, plain, rtol=1e-6, atol=1e-3 if device == "cuda" else 0)


def test_an_all_zero_image_stays_zero() -> None:
    images = torch.zeros(4, 1, 8, 8)
    for seed in range(5):
        assert torch.equal(Gin()(images, generator=generator(seed)), images)


@pytest.mark.parametrize("value", [-1.0, 1e-3, 7.0])
def test_a_constant_image_stays_finite_and_keeps_its_energy(value: float) -> None:
    images = torch.full((4, 1, 8, 8), value)
    for seed in range(5):
        out = Gin()(images, generator=generator(seed))
        assert torch.isfinite(out).all()
        norms = out.flatten(1).norm(dim=1).numpy()
        np.testing.assert_allclose(norms, abs(value) * 8, rtol=1e-2)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_extreme_intensities_stay_finite(shape: tuple[int, ...]) -> None:
    images = random_images(shape) * 1e4
    gin = Gin(kernel_sizes=(3,), layers=6, hidden_channels=4)
    for seed in range(5):
        out = gin(images, generator=generator(seed))
        assert torch.isfinite(out).all()
        ratio = out.flatten(1).norm(dim=1) / images.flatten(1).norm(dim=1)
        np.testing.assert_allclose(ratio.numpy(), 1, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_probability_zero_is_the_identity(dtype: torch.dtype) -> None:
    images = random_images((4, 1, 8, 8)).to(dtype)
    assert torch.equal(Gin(probability=0.0)(images, generator=generator()), images)


def test_probability_one_changes_every_sample() -> None:
    images = random_images((64, 1, 8, 8))
    out = Gin(probability=1.0)(images, generator=generator())
    assert ((out - images).flatten(1).abs().amax(dim=1) > 0).all()


def test_probability_one_half_changes_half_of_the_samples_and_leaves_the_others() -> None:
    images = random_images((2000, 1, 4, 4))
    out = Gin(probability=0.5)(images, generator=generator(13))
    same = (out == images).flatten(1).all(dim=1)
    assert abs(float(same.float().mean()) - 0.5) < 5 * 0.5 / np.sqrt(2000)


def test_the_same_seed_gives_the_same_draw_and_another_seed_another() -> None:
    images = random_images((3, 1, 12, 12))
    first = Gin()(images, generator=generator(14))
    assert torch.equal(first, Gin()(images, generator=generator(14)))
    assert not torch.equal(first, Gin()(images, generator=generator(15)))


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    images = random_images((3, 1, 12, 12))
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = Gin()(images, generator=generator(16))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(Gin()(images, generator=generator(16)), first)


@pytest.mark.parametrize("kernels", [(1,), (3,)])
@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_the_input_is_untouched(probability: float, kernels: tuple[int, ...]) -> None:
    images = random_images((8, 1, 8, 8))
    kept = images.clone()
    out = Gin(probability=probability, kernel_sizes=kernels)(images, generator=generator())
    out.add_(1)
    assert torch.equal(images, kept)


def test_a_view_of_a_larger_tensor_is_augmented_like_a_copy() -> None:
    large = random_images((2, 1, 20, 20))
    view = large[:, :, 3:15, 4:18].transpose(2, 3)
    gin = Gin()
    draw = gin.draw(view.shape, generator=generator(17))
    torch.testing.assert_close(gin.apply(view, draw), gin.apply(view.contiguous(), draw))


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("shape", [(3, 2, 17, 20), (1, 1, 8, 5), (8, 1, 88, 88)])
def test_the_fast_product_is_the_plain_convolution_of_each_sample(
    shape: tuple[int, ...], kernel: int
) -> None:
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(shape, generator=generator)
    weight = torch.randn(shape[0], 2, shape[1], kernel, kernel, generator=generator)
    bias = torch.randn(shape[0], 2, generator=generator)
    fast = convolve_by_product(images, weight=weight, bias=bias)
    for sample in range(shape[0]):
        plain = torch.nn.functional.conv2d(
            images[sample].double(),
            weight[sample].double(),
            bias[sample].double(),
            padding=kernel // 2,
        )
        torch.testing.assert_close(fast[sample].double(), plain, rtol=1e-5, atol=1e-4)
