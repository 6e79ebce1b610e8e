"""Steps that are taken to be timed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from fedgin.engine.step_cost import noise_case
from fedgin.engine.step_probe import probe_steps
from fedgin.engine.trainer import Trainer
from fedgin.engine.weights import get_weights
from fedgin.settings import ResolvedSettings


@pytest.fixture
def trainer(quick: ResolvedSettings) -> Trainer:
    return Trainer(settings=quick, site="a", cases=[noise_case(quick)], device=torch.device("cpu"))


def test_a_step_takes_what_a_rounds_steps_take(trainer: Trainer, tmp_path: Path) -> None:
    probe = probe_steps(trainer, repeats=5)
    assert probe.steps == 5
    assert probe.peak_bytes is None
    result = trainer.run_round(
        get_weights(trainer.network), state_folder=tmp_path, round_number=0, rounds=1
    )
    # Loosely: other programs share the processor.
    assert 1 / 10 < probe.seconds / (result.seconds / result.steps) < 10


def test_the_steps_are_real(trainer: Trainer) -> None:
    before = get_weights(trainer.network)
    start = time.perf_counter()
    probe = probe_steps(trainer, repeats=1)
    assert 0 < probe.seconds < time.perf_counter() - start
    after = get_weights(trainer.network)
    assert any((before[name] != after[name]).any() for name in before)


def test_slow_steps_are_not_repeated_for_ever(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedgin.engine.step_probe.MOST_SECONDS", 0.0)
    assert probe_steps(trainer, repeats=50).steps == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_memory_is_measured(quick: ResolvedSettings) -> None:
    device = torch.device("cuda")
    trainer = Trainer(settings=quick, site="a", cases=[noise_case(quick)], device=device)
    probe = probe_steps(trainer, repeats=2)
    assert probe.peak_bytes is not None
    assert probe.peak_bytes > sum(p.numel() * 4 for p in trainer.network.parameters())
