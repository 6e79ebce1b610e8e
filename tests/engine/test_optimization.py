"""Learning rate over a run."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from fedgin.engine.optimization import LearningRate, build_optimizer
from fedgin.settings import TrainingSettings

PEAK = 4e-3


def rate(schedule: str, *, warmup: float = 0.0) -> LearningRate:
    return LearningRate(
        TrainingSettings.model_validate(
            {"task": "heart", "schedule": schedule, "learning_rate": PEAK, "warmup": warmup}
        )
    )


def test_cosine_falls_from_the_peak_to_one_percent_along_the_formula() -> None:
    cosine = rate("cosine")
    assert cosine.at(step=0, total_steps=300) == pytest.approx(PEAK, rel=1e-12)
    assert cosine.at(step=150, total_steps=300) == pytest.approx(PEAK * 0.505, rel=1e-12)
    assert cosine.at(step=300, total_steps=300) == pytest.approx(PEAK * 0.01, rel=1e-9)
    low = 0.01 * PEAK
    for step in range(0, 301, 7):
        expected = low + 0.5 * (PEAK - low) * (1 + math.cos(math.pi * step / 300))
        assert cosine.at(step=step, total_steps=300) == pytest.approx(expected, rel=1e-12)


def test_cosine_stays_at_its_end_after_the_last_step() -> None:
    assert rate("cosine").at(step=900, total_steps=300) == pytest.approx(PEAK * 0.01, rel=1e-9)


def test_the_mean_of_cosine_over_a_run_is_half_way_between_its_ends() -> None:
    cosine = rate("cosine")
    mean = sum(cosine.at(step=step, total_steps=2000) for step in range(2000)) / 2000
    assert mean == pytest.approx(PEAK * 0.505, rel=1e-3)


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_validation_moves_only_the_plateau(schedule: str) -> None:
    watched, blind = rate(schedule), rate(schedule)
    for _ in range(30):
        watched.after_validation(0.1)
    assert watched.at(step=40, total_steps=90) == blind.at(step=40, total_steps=90)


@pytest.mark.parametrize("schedule", ["cosine", "plateau", "constant"])
def test_the_rate_rises_over_the_warm_up_and_follows_the_schedule_after_it(schedule: str) -> None:
    warm, plain = rate(schedule, warmup=0.1), rate(schedule)
    for step in range(300):
        share = (step + 1) / 30 if step < 30 else 1.0
        expected = share * plain.at(step=step, total_steps=300)
        assert warm.at(step=step, total_steps=300) == pytest.approx(expected, rel=1e-12)


def test_a_warm_up_shorter_than_a_step_is_none() -> None:
    warm = rate("constant", warmup=0.001)
    assert [warm.at(step=step, total_steps=100) for step in range(3)] == [PEAK] * 3


def test_constant_stays() -> None:
    assert {rate("constant").at(step=step, total_steps=10) for step in range(20)} == {PEAK}


def plateau_rates(dice: list[float]) -> list[float]:
    plateau, found = rate("plateau"), []
    for value in dice:
        plateau.after_validation(value)
        found.append(plateau.at(step=0, total_steps=1) / PEAK)
    return found


def test_plateau_halves_after_five_rounds_without_gain() -> None:
    assert plateau_rates([0.5] * 11) == [1.0] * 5 + [0.5] * 5 + [0.25]


def test_plateau_waits_anew_after_a_gain() -> None:
    dice = [0.5, 0.5, 0.5, 0.5, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6]
    assert plateau_rates(dice) == [1.0] * 10 + [0.5]


def test_a_gain_within_the_noise_is_no_gain() -> None:
    dice = [0.5 + 1e-5 * number for number in range(6)]
    assert plateau_rates(dice)[-1] == 0.5


def test_unknown_dice_is_no_information() -> None:
    assert plateau_rates([0.5, *[math.nan] * 20, 0.5, 0.5, 0.5, 0.5]) == [1.0] * 25


def test_the_schedule_survives_a_change_of_process() -> None:
    dice = [0.5, 0.4, 0.6, *[0.6] * 12]
    whole = plateau_rates(dice)
    state, found = rate("plateau").state_dict(), []
    for value in dice:
        plateau = rate("plateau")
        plateau.load_state_dict(state)
        plateau.after_validation(value)
        found.append(plateau.at(step=0, total_steps=1) / PEAK)
        state = plateau.state_dict()
    assert found == whole
    assert min(found) < 1


def test_the_optimizer_takes_one_adamw_step_by_the_published_formula() -> None:
    settings = TrainingSettings(task="heart", learning_rate=0.1, weight_decay=0.2)
    layer = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(2.0)
    optimizer = build_optimizer(layer, settings)
    layer(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    # First step: both moments are unbiased to gradient 1, so the step is the learning rate.
    expected = 2.0 * (1 - 0.1 * 0.2) - 0.1 * 1.0 / (1.0 + 1e-8)
    assert layer.weight.item() == pytest.approx(expected, rel=1e-6)


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(), nn.Linear(8, 2))


def take_steps(network: nn.Module, optimizer: torch.optim.Optimizer, *, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(10):
        optimizer.zero_grad(set_to_none=True)
        network(torch.randn(5, 4, generator=generator)).pow(2).sum().backward()
        optimizer.step()


def test_it_is_torch_s_adamw_bit_for_bit_and_takes_its_state_too() -> None:
    settings = TrainingSettings(task="heart", learning_rate=0.01, weight_decay=0.1)
    ours, theirs = small_network(), small_network()
    mine = build_optimizer(ours, settings)
    plain = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.1, fused=True)
    take_steps(ours, mine, seed=1)
    take_steps(theirs, plain, seed=1)
    later = build_optimizer(ours, settings)
    later.load_state_dict(plain.state_dict())
    plain.load_state_dict(mine.state_dict())
    take_steps(ours, later, seed=2)
    take_steps(theirs, plain, seed=2)
    before, after = small_network().state_dict(), ours.state_dict()
    assert not any(torch.equal(before[name], after[name]) for name in before)
    assert all(torch.equal(theirs.state_dict()[name], after[name]) for name in before)


TRAIN = """
import pathlib, sys
from fedgin.cli import build_app
overrides = ["steps_per_round=1", "batch_size=1", "channels=[4,8]", "patch_size=[32,32]"]
arguments = [part for one in overrides for part in ("--set", one)]
out = str(pathlib.Path(sys.argv[1]) / "out")
sites = ["--sites", "site-1", "--task", "heart", "--rounds", "1", "--out", out]
build_app()(["train", *sites, *arguments], standalone_mode=False)
sys.exit("torch._dynamo" in sys.modules)
"""


def test_a_whole_training_never_loads_torch_s_compiler(
    phantom_folder: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(tmp_path)],
        env={**os.environ, "FEDGIN_SITE_CONFIGS": str(phantom_folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("out/*.pt"))
