"""What every intensity augmentation promises, whatever it computes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from batches import DEVICES, SHAPES, generator, random_images

from fedgin.augment.bezier import Bezier
from fedgin.augment.dual_styles import dual_styles
from fedgin.augment.fourier import Fourier
from fedgin.augment.gin import Gin
from fedgin.augment.ipa import Ipa
from fedgin.augment.randconv import RandConv
from fedgin.augment.transform import Transform

ALL: dict[str, Transform] = {
    "gin": Gin(),
    "ipa": Ipa(Gin(), spacing=5),
    "ipa complement": Ipa(Gin(), spacing=5, complement=True),
    "randconv img": RandConv(mode="img", identity_probability=0.0),
    "randconv mix": RandConv(mode="mix"),
    "fourier mix": Fourier(mode="mix"),
    "fourier swap": Fourier(mode="swap", betas=(0.0, 0.3)),
    "bezier": Bezier(probability=1.0),
    "similar": dual_styles()[0],
    "dissimilar": dual_styles()[1],
}
PARTLY = {**ALL, "half of the samples": Bezier(probability=0.5), "randconv": RandConv(mode="img")}

every = pytest.mark.parametrize("transform", ALL.values(), ids=ALL)
everywhere = pytest.mark.parametrize("transform", PARTLY.values(), ids=PARTLY)
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
devices = pytest.mark.parametrize("device", DEVICES)


def numbers(draw: Any) -> list[torch.Tensor]:
    """All numbers of a draw, one tensor after the other."""
    if isinstance(draw, torch.Tensor):
        return [draw]
    if isinstance(draw, tuple):
        return [item for part in draw for item in numbers(part)]
    if dataclasses.is_dataclass(draw):
        return [
            item
            for field in dataclasses.fields(draw)
            for item in numbers(getattr(draw, field.name))
        ]
    return [torch.tensor(draw)]


@everywhere
@shapes
def test_a_seed_gives_the_same_draw_and_result_again_and_another_seed_another(
    transform: Transform, shape: tuple[int, ...]
) -> None:
    images = random_images(shape)
    results = []
    for seed in (3, 3, 4, 5, 6):
        draw = transform.draw(shape, generator=generator(seed))
        results.append((numbers(draw), transform.apply(images, draw)))
    first, again, *others = results
    assert all(torch.equal(a, b) for a, b in zip(first[0], again[0], strict=True))
    assert torch.equal(first[1], again[1])
    assert any(not torch.equal(first[1], other[1]) for other in others)


@everywhere
def test_a_draw_is_frozen_and_lies_on_the_cpu_in_float32(transform: Transform) -> None:
    draw = transform.draw((3, 1, 8, 8), generator=generator())
    for values in numbers(draw):
        assert values.device.type == "cpu"
        assert values.dtype != torch.float64
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(draw, dataclasses.fields(draw)[0].name, None)


@every
@shapes
@devices
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_shape_dtype_and_device_are_kept(
    transform: Transform, shape: tuple[int, ...], dtype: torch.dtype, device: str
) -> None:
    images = random_images(shape)
    draw = transform.draw(shape, generator=generator(2))
    exact = transform.apply(images.to(dtype).float(), draw)
    found = transform.apply(images.to(device=device, dtype=dtype), draw)
    assert found.shape == images.shape
    assert found.dtype == dtype
    assert found.device.type == device
    precision = {torch.float16: 4e-3, torch.bfloat16: 3e-2}.get(dtype, 1e-3)
    torch.testing.assert_close(
        found.float().cpu(), exact, rtol=precision, atol=precision * float(exact.abs().max())
    )


@every
@devices
def test_no_gradient_flows(transform: Transform, device: str) -> None:
    images = random_images((2, 1, 8, 8)).to(device).requires_grad_()
    found = transform.apply(images, transform.draw(images.shape, generator=generator()))
    assert not found.requires_grad
    assert found.grad_fn is None


@every
@shapes
@devices
def test_autocast_does_not_lower_the_precision(
    transform: Transform, shape: tuple[int, ...], device: str
) -> None:
    images = random_images(shape).to(device) * 1e3
    draw = transform.draw(shape, generator=generator(12))
    plain = transform.apply(images, draw)
    with torch.autocast(device, dtype=torch.bfloat16):
        cast = transform.apply(images, draw)
    assert cast.dtype == torch.float32
    torch.testing.assert_close(cast, plain, rtol=1e-6, atol=1e-3 if device == "cuda" else 0)


@everywhere
def test_the_global_generator_is_neither_read_nor_moved(transform: Transform) -> None:
    images = random_images((3, 1, 12, 12))
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = transform.apply(images, transform.draw(images.shape, generator=generator(16)))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    second = transform.apply(images, transform.draw(images.shape, generator=generator(16)))
    assert torch.equal(first, second)


@everywhere
@pytest.mark.parametrize("batch", [1, 4])
def test_the_input_is_untouched_and_the_result_is_new(transform: Transform, batch: int) -> None:
    images = random_images((batch, 1, 8, 8))
    kept = images.clone()
    for seed in range(4):
        draw = transform.draw(images.shape, generator=generator(seed))
        transform.apply(images, draw).add_(1)
    assert torch.equal(images, kept)


@every
def test_a_view_of_a_larger_tensor_is_augmented_like_a_copy(transform: Transform) -> None:
    view = random_images((2, 1, 20, 20))[:, :, 3:15, 4:18].transpose(2, 3)
    draw = transform.draw(view.shape, generator=generator(17))
    torch.testing.assert_close(
        transform.apply(view, draw), transform.apply(view.contiguous(), draw)
    )


@everywhere
@pytest.mark.parametrize("value", [0.0, -1.0, 1e-3, 700.0])
@pytest.mark.parametrize("shape", [(3, 1, 9, 12), (1, 1, 8, 8), (2, 1, 5, 4, 6)])
def test_constant_images_stay_finite(
    transform: Transform, shape: tuple[int, ...], value: float
) -> None:
    images = torch.full(shape, value)
    for seed in range(4):
        draw = transform.draw(shape, generator=generator(seed))
        assert torch.isfinite(transform.apply(images, draw)).all()


@pytest.mark.parametrize(
    "transform",
    [t for name, t in ALL.items() if "fourier" not in name],
    ids=[name for name in ALL if "fourier" not in name],
)
def test_a_sample_does_not_see_the_others(transform: Transform) -> None:
    images = random_images((4, 1, 16, 16))
    draw = transform.draw(images.shape, generator=generator(7))
    changed = images.clone()
    changed[0] = 100 * random_images((1, 16, 16), seed=8)
    before, after = transform.apply(images, draw), transform.apply(changed, draw)
    torch.testing.assert_close(before[1:], after[1:], rtol=1e-6, atol=1e-6)
    assert not torch.equal(before[0], after[0])
