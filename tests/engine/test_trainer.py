"""A round of training is a function of weights, state, round, settings and cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedgin.data.prepare import PreparedCase
from fedgin.engine.evaluator import Aborted
from fedgin.engine.state import load_state, saved_rounds
from fedgin.engine.trainer import RoundResult, Trainer, TrainingError
from fedgin.engine.weights import Weights, WeightsError, add, get_weights
from fedgin.networks import build_network
from fedgin.settings import ResolvedSettings, make_settings

CPU = torch.device("cpu")
STEPS = 3


def make_case(number: int = 0, *, shape: tuple[int, int, int] = (18, 40, 44)) -> PreparedCase:
    """A bright ball in noise."""
    generator = np.random.default_rng(number)
    centre = np.array(shape).reshape(3, 1, 1, 1) * (0.4 + 0.1 * number)
    ball = ((np.indices(shape) - centre) ** 2).sum(axis=0) <= (min(shape) * 0.4) ** 2
    image = generator.normal(0, 0.3, size=shape) + 1.5 * ball
    places = np.argwhere(ball)
    return PreparedCase(
        name=f"case-{number}",
        patient=f"p{number}",
        site="site-1",
        modality="CT",
        image=image.astype(np.float16),
        label=ball.astype(np.uint8),
        foreground=np.column_stack([np.ones(len(places)), places]).astype(np.int32),
        spacing=(1.0, 1.0, 1.0),
    )


def settings(**more: Any) -> ResolvedSettings:
    values = {
        "task": "heart",
        "channels": [4, 8],
        "patch_size": [32, 32],
        "batch_size": 2,
        "steps_per_round": STEPS,
        **more,
    }
    return make_settings(**values)


def trainer(
    *, site: str = "site-1", cases: list[PreparedCase] | None = None, **more: Any
) -> Trainer:
    cases = [make_case(0), make_case(1)] if cases is None else cases
    return Trainer(settings=settings(**more), site=site, cases=cases, device=CPU)


def start(**more: Any) -> Weights:
    return get_weights(build_network(settings(**more)))


def one_round(
    engine: Trainer,
    weights: Weights,
    folder: Path,
    *,
    number: int = 0,
    rounds: int = 4,
    **more: Any,
) -> RoundResult:
    return engine.run_round(
        weights, state_folder=folder, round_number=number, rounds=rounds, **more
    )


def same_bits(first: Weights, second: Weights) -> bool:
    return first.keys() == second.keys() and all(
        first[name].tobytes() == second[name].tobytes() for name in first
    )


def test_two_trainers_give_the_same_bits(tmp_path: Path) -> None:
    first = one_round(trainer(), start(), tmp_path / "a")
    torch.manual_seed(99)
    np.random.seed(99)
    second = one_round(trainer(), start(), tmp_path / "b")
    assert same_bits(first.difference, second.difference)
    assert first.loss == second.loss
    assert any(np.abs(array).max() > 0 for array in first.difference.values())


def test_a_repeated_round_gives_the_same_bits(tmp_path: Path) -> None:
    engine = trainer()
    weights = add(start(), one_round(engine, start(), tmp_path, number=0).difference)
    first = one_round(engine, weights, tmp_path, number=1)
    again = one_round(engine, weights, tmp_path, number=1)
    assert same_bits(first.difference, again.difference)


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_a_new_process_every_round_gives_the_bits_of_one_process(
    tmp_path: Path, schedule: str
) -> None:
    dice = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5] if schedule == "plateau" else [0.1, 0.2, 0.3]
    lasting = trainer(schedule=schedule, steps_per_round=1)
    whole = split = start()
    rates = []
    for number, value in enumerate(dice):
        more = {"number": number, "rounds": len(dice), "validation_dice": value}
        result = one_round(lasting, whole, tmp_path / "one", **more)
        whole = add(whole, result.difference)
        fresh = trainer(schedule=schedule, steps_per_round=1)
        split = add(split, one_round(fresh, split, tmp_path / "many", **more).difference)
        rates.append(result.learning_rate)
    assert same_bits(whole, split)
    assert rates[-1] < rates[0]


def test_the_optimizer_goes_on_from_the_round_before(tmp_path: Path) -> None:
    one_round(trainer(), start(), tmp_path / "a", number=0)
    continued = one_round(trainer(), start(), tmp_path / "a", number=1)
    anew = one_round(trainer(), start(), tmp_path / "b", number=1)
    assert not same_bits(continued.difference, anew.difference)
    state = load_state(tmp_path / "a", before_round=2, device=CPU)
    assert state is not None
    assert {int(entry["step"]) for entry in state["optimizer"]["state"].values()} == {2 * STEPS}


def test_the_difference_is_after_minus_before(tmp_path: Path) -> None:
    engine, before = trainer(), start()
    kept = {name: array.copy() for name, array in before.items()}
    result = one_round(engine, before, tmp_path)
    after = get_weights(engine.network)
    for name, array in result.difference.items():
        assert array.dtype == np.float32
        assert np.array_equal(array, after[name] - kept[name])
        assert np.array_equal(before[name], kept[name])
    assert result.steps == STEPS


def test_site_round_and_seed_each_change_the_draws() -> None:
    def batch(engine: Trainer, number: int = 0, step: int = 0) -> np.ndarray:
        return engine.batch(number, step)[0].numpy()

    reference = batch(trainer())
    assert np.array_equal(reference, batch(trainer()))
    for other in (
        batch(trainer(site="site-2")),
        batch(trainer(seed=1)),
        batch(trainer(), number=1),
        batch(trainer(), step=1),
    ):
        assert not np.allclose(reference, other, atol=1e-3)


def test_gin_changes_the_intensities_and_not_the_labels() -> None:
    plain_images, plain_labels, _ = trainer(augmentation="none").batch(0, 0)
    gin_images, gin_labels, _ = trainer(augmentation="gin").batch(0, 0)
    assert torch.equal(plain_labels, gin_labels)
    assert ((plain_images - gin_images).flatten(1).abs().amax(dim=1) > 1e-3).all()


def test_gin_arguments_reach_the_augmentation() -> None:
    plain, *_ = trainer(augmentation="none").batch(0, 0)
    never, *_ = trainer(gin={"probability": 0.0}).batch(0, 0)
    deep, *_ = trainer(gin={"layers": 7}).batch(0, 0)
    usual, *_ = trainer().batch(0, 0)
    assert torch.equal(plain, never)
    assert not torch.allclose(deep, usual, atol=1e-3)


def test_training_with_gin_and_without_differ(tmp_path: Path) -> None:
    gin = one_round(trainer(augmentation="gin"), start(), tmp_path / "gin")
    none = one_round(trainer(augmentation="none"), start(), tmp_path / "none")
    assert not same_bits(gin.difference, none.difference)


def test_an_abort_stops_between_steps_and_leaves_the_state(tmp_path: Path) -> None:
    engine = trainer()
    reference = one_round(engine, start(), tmp_path, number=0)
    weights = add(start(), reference.difference)
    asked: list[int] = []

    def stop_at_the_third() -> bool:
        asked.append(1)
        return len(asked) == 3

    with pytest.raises(Aborted):
        one_round(engine, weights, tmp_path, number=1, should_stop=stop_at_the_third)
    assert len(asked) == 3
    assert saved_rounds(tmp_path) == [0]
    after = one_round(engine, weights, tmp_path, number=1)
    one_round(trainer(), start(), tmp_path / "clean", number=0)
    clean = one_round(trainer(), weights, tmp_path / "clean", number=1)
    assert same_bits(after.difference, clean.difference)


@pytest.mark.parametrize("dims", [2, 3])
def test_the_loss_falls_on_one_case(tmp_path: Path, dims: int) -> None:
    more: dict[str, Any] = {
        "steps_per_round": 15,
        "augmentation": "none",
        "learning_rate": 1e-2,
        "channels": [8, 16],
    }
    if dims == 3:
        more |= {"spatial_dims": 3, "patch_size": [16, 32, 32], "batch_size": 1}
    engine = trainer(cases=[make_case()], foreground_fraction=0.5, **more)
    weights = get_weights(engine.network)
    before = engine.evaluate(weights, [make_case()]).mean()
    losses = []
    for number in range(4):
        result = one_round(engine, weights, tmp_path, number=number, rounds=4)
        weights = add(weights, result.difference)
        losses.append(result.loss)
    after = engine.evaluate(weights, [make_case()]).mean()
    assert losses[-1] < 0.6 * losses[0]
    assert after > max(0.7, before)


@pytest.mark.parametrize("network", ["unet", "dynunet"])
def test_3d_patches_train(tmp_path: Path, network: str) -> None:
    more: dict[str, Any] = {
        "spatial_dims": 3,
        "patch_size": [16, 16, 16],
        "network": network,
        "channels": [4, 8, 16],
        "steps_per_round": 2,
    }
    engine = trainer(**more)
    images, labels, _ = engine.batch(0, 0)
    assert images.shape == labels.shape == (2, 1, 16, 16, 16)
    result = one_round(engine, start(**more), tmp_path)
    assert np.isfinite(result.loss)
    assert all(np.isfinite(array).all() for array in result.difference.values())


def test_a_site_that_joins_late_starts_without_a_state(tmp_path: Path) -> None:
    late = one_round(trainer(), start(), tmp_path, number=2)
    assert np.isfinite(late.loss)
    assert saved_rounds(tmp_path) == [2]


def test_a_loss_that_is_not_finite_is_refused_and_leaves_no_state(tmp_path: Path) -> None:
    broken = make_case()
    broken.image[:] = np.inf
    with pytest.raises(TrainingError, match=r"loss and weights must be finite.*nan.*learning_rate"):
        one_round(trainer(cases=[broken], geometric=False), start(), tmp_path)
    assert saved_rounds(tmp_path) == []


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        one_round(trainer(), start(channels=[4, 16]), tmp_path)
    assert saved_rounds(tmp_path) == []


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    weights = start()
    next(iter(weights.values()))[...] = np.nan
    with pytest.raises(WeightsError, match="finite"):
        one_round(trainer(), weights, tmp_path)


def test_a_round_of_more_steps_can_be_asked_for(tmp_path: Path) -> None:
    engine = Trainer(
        settings=settings(), site="a+b", cases=[make_case()], device=CPU, steps_per_round=2 * STEPS
    )
    assert one_round(engine, start(), tmp_path).steps == 2 * STEPS
