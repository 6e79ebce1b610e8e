"""The estimate of memory against sums by hand and against what a process really takes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from torch import nn

from fedgin.engine.memory_need import memory_need
from fedgin.engine.peak_memory import PeakMemory
from fedgin.networks import build_network
from fedgin.settings import make_settings

FLOAT = 4


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_peak_is_the_most_that_is_alive_at_a_time(device: str) -> None:
    with PeakMemory() as memory:
        first = torch.zeros(1000, device=device)
        second = first + 1
        view = second[10:20]
        second.add_(1)
        assert memory.now == 2000 * FLOAT
        del first
        third = torch.zeros(500, device=device)
        assert memory.now == 1500 * FLOAT
        del second
        assert memory.now == 1500 * FLOAT  # the view holds it
        del view, third
        assert memory.now == 0
    assert memory.peak == 2000 * FLOAT


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_what_a_backward_pass_needs_is_counted(device: str) -> None:
    layer = nn.Linear(30, 50, bias=False, device=device)
    inputs = torch.zeros(20, 30, device=device)
    with PeakMemory() as memory:
        hidden = layer(inputs)  # 20 x 50
        squares = hidden * hidden  # saves hidden; 20 x 50
        loss = squares.sum()
        assert memory.now == (2 * 20 * 50 + 1) * FLOAT
        del squares
        loss.backward()
        del loss, hidden
    assert memory.now == 30 * 50 * FLOAT  # the gradient
    assert memory.peak >= (20 * 50 + 30 * 50) * FLOAT


def test_weights_and_moments_are_those_of_the_network() -> None:
    settings = make_settings(task="heart", normalization="batch")
    need = memory_need(settings)
    network = build_network(settings)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    state = sum(t.numel() * t.element_size() for t in network.state_dict().values())
    assert need.weights == state
    assert need.optimizer == 2 * FLOAT * parameters
    images = 8 * 88 * 88
    assert need.batch == images * (FLOAT + 1)


def test_activations_grow_with_the_batch_and_weights_do_not() -> None:
    small, large = (memory_need(make_settings(task="heart", batch_size=n)) for n in (4, 16))
    assert large.weights == small.weights
    assert large.step == pytest.approx(4 * small.step, rel=0.05)


def test_a_larger_volume_needs_its_scores() -> None:
    settings = make_settings(task="abdomen")
    small, large = (memory_need(settings, largest_volume=n) for n in (10**7, 2 * 10**7))
    growth = large.validation - small.validation
    assert growth >= 10**7 * 7 * FLOAT  # seven classes
    assert growth < 10**7 * 20 * FLOAT
    assert large.training == small.training


@pytest.mark.parametrize(
    "values",
    [
        {"spatial_dims": 3},
        {"network": "dynunet"},
        {"augmentation": "dual_normalization"},
        {"gin": {"consistency": 1.0}},
    ],
)
def test_every_kind_of_run_can_be_estimated(values: dict[str, object]) -> None:
    need = memory_need(make_settings(task="heart", **values))
    assert need.total >= need.training > need.weights + need.optimizer
    if "gin" in values:
        plain = memory_need(make_settings(task="heart"))
        assert need.step > 2 * plain.step  # three views


# A process of its own: steps as the trainer takes them, and the most memory that the system saw.
MEASURE = """
import ctypes, json, sys
import numpy as np
import torch
torch.set_num_threads(1)
from fedgin.engine.optimization import build_optimizer
from fedgin.engine.trainer import Trainer
from fedgin.engine.evaluator import segment
from fedgin.settings import make_settings
from fedgin.engine.step_cost import noise_case

def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(key))

def reset():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak starts anew

def step(trainer):
    optimizer = build_optimizer(trainer.network, trainer.settings.training)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    trainer.network.train()
    for number in range(2):
        images, labels, _ = trainer.batch(0, number)
        trainer.step(images, labels, optimizer, scaler)

def build(**values):
    settings = make_settings(**values)
    case = noise_case(settings)
    return Trainer(settings=settings, site="a", cases=[case], device=torch.device("cpu"))

work, values = sys.argv[1], json.loads(sys.argv[2])
# What libraries keep.
small = build(**{**values, "patch_size": [32] * len(values["patch_size"]), "batch_size": 1})
step(small)
segment(small.network, np.zeros((2, 40, 40)), settings=small.settings, device=small.device)
trainer = build(**values)
image = np.zeros((40, 256, 256), dtype=np.float16)
ctypes.CDLL(None).malloc_trim(0)  # what the small steps freed is not held any more
before = status("VmRSS")
reset()
if work == "training":
    step(trainer)
else:
    segment(trainer.network, image, settings=trainer.settings, device=trainer.device)
sys.stdout.write(str(status("VmHWM") - before))
"""


def measured(work: str, values: dict[str, object]) -> int:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, work, json.dumps(values)],
        check=True,
        capture_output=True,
        text=True,
        timeout=500,
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process's memory from /proc")
@pytest.mark.parametrize("work", ["training", "validation"])
@pytest.mark.parametrize("dims", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_estimate_is_near_what_a_real_process_takes(work: str, dims: int) -> None:
    values: dict[str, object] = {"task": "abdomen", "channels": [32, 64], "spatial_dims": dims}
    if work == "training":
        values |= {"patch_size": [256, 256], "batch_size": 8}
        if dims == 3:
            values |= {"patch_size": [32, 96, 96], "batch_size": 2}
        estimate = memory_need(make_settings(**values)).training
    else:
        values |= {"patch_size": [64, 64] if dims == 2 else [32, 64, 64], "batch_size": 1}
        estimate = memory_need(make_settings(**values), largest_volume=40 * 256 * 256).validation
    assert estimate > 100e6  # large beside what libraries take for themselves
    assert 0.75 < estimate / measured(work, values) < 1.35
