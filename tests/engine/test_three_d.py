"""Training and evaluation on 3D patches: deep supervision, thin volumes, replayed draws."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fedgin.augment.geometric import Geometric
from fedgin.augment.gin import Gin
from fedgin.data.prepare import PreparedCase
from fedgin.engine.batches import Batches
from fedgin.engine.evaluator import segment
from fedgin.engine.memory_need import memory_need
from fedgin.engine.trainer import Trainer
from fedgin.engine.weights import add, get_weights
from fedgin.losses import build_loss
from fedgin.seeding import torch_generator
from fedgin.settings import ResolvedSettings, make_settings

CPU = torch.device("cpu")
DEEP = {"network": "dynunet", "deep_supervision": True, "channels": [4, 8, 8]}


def settings(**more: Any) -> ResolvedSettings:
    values = {
        "task": "heart",
        "spatial_dims": 3,
        "channels": [4, 8],
        "patch_size": [16, 16, 16],
        "batch_size": 1,
        "steps_per_round": 2,
        "augmentation": "none",
        **more,
    }
    return make_settings(**values)


def ball(shape: tuple[int, int, int], number: int = 0) -> PreparedCase:
    """A bright ball in noise, as large as the volume lets it be."""
    generator = np.random.default_rng(number)
    centre = np.array([(size - 1) / 2 for size in shape]).reshape(3, 1, 1, 1)
    radius = 0.4 * np.array(shape).reshape(3, 1, 1, 1)
    inside = (((np.indices(shape) - centre) / radius) ** 2).sum(axis=0) <= 1
    places = np.argwhere(inside)
    return PreparedCase(
        name=f"case-{number}",
        patient=f"p{number}",
        site="a",
        modality="CT",
        image=(generator.normal(0, 0.2, size=shape) + 1.5 * inside).astype(np.float16),
        label=inside.astype(np.uint8),
        foreground=np.column_stack([np.ones(len(places)), places]).astype(np.int32),
        spacing=(1.0, 1.0, 1.0),
    )


def trainer(cases: list[PreparedCase], **more: Any) -> Trainer:
    return Trainer(settings=settings(**more), site="a", cases=cases, device=CPU)


def test_deep_supervision_learns_and_is_measured_by_its_finest_output(tmp_path: Path) -> None:
    case = ball((18, 20, 20))
    engine = trainer([case], **DEEP, steps_per_round=20, learning_rate=1e-2, foreground_fraction=1)
    weights = get_weights(engine.network)
    losses = []
    for number in range(2):
        result = engine.run_round(weights, state_folder=tmp_path, round_number=number, rounds=2)
        weights = add(weights, result.difference)
        losses.append(result.loss)
    assert losses[1] < 0.7 * losses[0]
    assert engine.evaluate(weights, [case]).mean() > 0.8
    heads = [name for name in weights if name.startswith("deep_supervision_heads.")]
    assert heads
    assert all(np.abs(result.difference[name]).max() > 0 for name in heads)


def test_a_step_takes_the_gradient_of_the_weighted_losses() -> None:
    engine = trainer([ball((16, 16, 16))], **DEEP, gradient_clip=1e9)
    images, labels, _ = engine.batch(0, 0)
    engine.network.train()
    outputs = engine.network(images)
    assert [tuple(output.shape[2:]) for output in outputs] == [(16,) * 3, (8,) * 3]
    single = build_loss().loss
    coarse = labels[:, :, 1::2, 1::2, 1::2]
    expected = (2 * single(outputs[0], labels) + single(outputs[1], coarse)) / 3
    gradients = torch.autograd.grad(expected, list(engine.network.parameters()))
    optimizer = torch.optim.SGD(engine.network.parameters(), lr=0.0)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    found = engine.step(images, labels, optimizer, scaler)
    assert float(found) == pytest.approx(float(expected.detach()), rel=1e-6)
    for parameter, gradient in zip(engine.network.parameters(), gradients, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "more",
    [
        {"gin": {"consistency": 1.0}, "augmentation": "gin"},
        {"augmentation": "dual_normalization"},
        {"algorithm": "fedbn"},
        {
            "dp_sgd": {
                "unit": "patient",
                "noise_multiplier": 0.5,
                "max_grad_norm": 1.0,
                "sampling_rate": 1.0,
            }
        },
    ],
    ids=["views", "two halves", "fedbn", "private"],
)
def test_deep_supervision_goes_with_other_ways_of_training(
    more: dict[str, Any], tmp_path: Path
) -> None:
    cases = [ball((16, 18, 17), number) for number in range(2)]
    engine = trainer(cases, **DEEP, **more)
    weights = get_weights(engine.network)
    result = engine.run_round(weights, state_folder=tmp_path, round_number=0, rounds=1)
    assert np.isfinite(result.loss)
    assert result.difference.keys() == weights.keys()
    assert all(np.isfinite(array).all() for array in result.difference.values())
    assert 0 <= engine.evaluate(add(weights, result.difference), cases[:1]).mean() <= 1


THIN = {"one slice": (1, 20, 20), "fewer slices": (5, 30, 18), "smaller every way": (4, 9, 11)}


@pytest.mark.parametrize("shape", THIN.values(), ids=THIN)
def test_thin_volumes_train_and_are_segmented_in_place(
    shape: tuple[int, int, int], tmp_path: Path
) -> None:
    case = ball(shape)
    engine = trainer([case], geometric=True)
    images, labels, _ = engine.batch(0, 0)
    assert images.shape == labels.shape == (1, 1, 16, 16, 16)
    weights = get_weights(engine.network)
    result = engine.run_round(weights, state_folder=tmp_path, round_number=0, rounds=1)
    assert np.isfinite(result.loss)
    evaluation = engine.evaluate(add(weights, result.difference), [case], surfaces=True)
    assert 0 <= evaluation.mean() <= 1


class Shape(nn.Module):
    """Class 1 where the image is above a half; remembers the windows that it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.windows: list[tuple[int, ...]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.windows += [tuple(images.shape[2:])] * len(images)
        return torch.cat([0.5 - images, images - 0.5], dim=1)


def test_a_volume_smaller_than_the_patch_is_one_window() -> None:
    case, network = ball((5, 9, 13)), Shape()
    found = segment(network, case.image, settings=settings(), device=CPU)
    assert network.windows == [(16, 16, 16)]
    assert np.array_equal(found, (case.image.astype(np.float32) > 0.5).astype(np.uint8))


class Middle(nn.Module):
    """For class 1 in the middle of a window, and half as strongly against it elsewhere."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores = torch.zeros(images.shape[0], 2, *images.shape[2:])
        scores[:, 1] = -0.5
        scores[:, 1, 4:12, 4:12, 4:12] = 1.0
        return scores


def test_windows_are_blended_by_a_gaussian() -> None:
    """Its deviation is an eighth of the window's edge; equal weights give another segmentation."""
    image = np.zeros((24, 24, 24), dtype=np.float16)
    found = segment(Middle(), image, settings=settings(overlap=0.5), device=CPU)
    line = torch.exp(-((torch.arange(16) - 7.5) ** 2) / (2 * (16 / 8) ** 2))
    gaussian = (line[:, None, None] * line[:, None] * line).clamp_min(1e-3)
    votes = {}
    for name, weight in {"gaussian": gaussian, "equal": torch.ones(16, 16, 16)}.items():
        total, weights = torch.zeros(2, 24, 24, 24)
        for start in itertools.product((0, 8), repeat=3):
            place = tuple(slice(first, first + 16) for first in start)
            total[place] += weight * Middle()(torch.zeros(1, 1, 16, 16, 16))[0, 1]
            weights[place] += weight
        votes[name] = total / weights
    certain = votes["gaussian"].abs() > 1e-3
    assert torch.equal(torch.from_numpy(found == 1)[certain], (votes["gaussian"] > 0)[certain])
    assert float(certain.float().mean()) > 0.9
    assert float(((votes["gaussian"] > 0) != (votes["equal"] > 0)).float().mean()) > 0.05


def test_a_3d_step_can_be_replayed_from_its_seed() -> None:
    """The batch is GIN with the draw of (seed, site, round, step) on the batch without GIN."""
    cases = [ball((20, 22, 24), number) for number in range(2)]

    def batches(augmentation: str) -> Batches:
        chosen = settings(augmentation=augmentation, batch_size=2, seed=7)
        return Batches(settings=chosen, site="a", cases=cases, device=CPU)

    plain, labels, _ = batches("none").draw(3, 5)
    images, same_labels, _ = batches("gin").draw(3, 5)
    assert torch.equal(labels, same_labels)
    draw = Gin().draw(plain.shape, generator=torch_generator(7, "a", 3, 5, "intensity"))
    assert all(layer.weight.ndim == 6 for layer in draw.layers)  # sample, out, in, z, y, x
    assert torch.equal(images, Gin().apply(plain, draw))
    assert torch.equal(images, batches("gin").draw(3, 5)[0])
    assert not torch.allclose(images, batches("gin").draw(3, 6)[0], atol=1e-3)


def test_the_estimate_of_memory_counts_the_heads_and_the_third_dimension() -> None:
    plain = memory_need(settings(network="dynunet", channels=[4, 8, 8]))
    deep = memory_need(settings(**DEEP))
    assert deep.step > plain.step
    assert deep.weights > plain.weights
    assert deep.validation == plain.validation  # heads are for training
    twice = memory_need(settings(patch_size=[32, 16, 16]))
    once = memory_need(settings())
    assert twice.step == pytest.approx(2 * once.step, rel=0.1)


def test_patches_of_flat_voxels_are_turned_as_such() -> None:
    """Spacing is x, y, z, a patch is z, y, x."""
    cases = [ball((20, 22, 24))]

    def batches(geometric: bool) -> Batches:
        flat = settings(spacing=[1.0, 1.5, 3.0], geometric=geometric)
        return Batches(settings=flat, site="a", cases=cases, device=CPU)

    images, labels, _ = batches(geometric=False).draw(0, 0)
    turn = Geometric(spacing=(3.0, 1.5, 1.0))
    draw = turn.draw(images.shape, generator=torch_generator(0, "a", 0, 0, "geometric"))
    turned, turned_labels = turn.apply(images, labels, draw)
    found, found_labels, _ = batches(geometric=True).draw(0, 0)
    assert torch.equal(found, turned)
    assert torch.equal(found_labels, turned_labels)
