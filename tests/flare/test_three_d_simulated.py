"""A federation on 3D patches, with deep supervision, in FLARE's simulator."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from fedgin.jobs.export import export_job
from fedgin.networks import build_network
from fedgin.release.model_file import read_release
from fedgin.settings import read_settings

from .conftest import SimulatedRun, simulate

pytestmark = pytest.mark.slow

ROUNDS = 2
TINY = (
    "spatial_dims=3",
    "network=dynunet",
    "deep_supervision=true",
    "channels=[4,8,8]",
    "patch_size=[16,32,32]",
    "spacing=[8,8,8]",
    "batch_size=2",
    "steps_per_round=4",
    "num_rounds=2",
)


@pytest.fixture(scope="module")
def job(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_job(
        repository / "jobs" / "fed_gin_abdomen",
        tmp_path_factory.mktemp("job") / "abdomen_3d",
        byoc=True,
        overrides=TINY,
    )


@pytest.fixture(scope="module")
def run(job: Path, phantom_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> SimulatedRun:
    folder = tmp_path_factory.mktemp("three_d")
    return simulate(job, folder, site_configs=phantom_folder, arguments=["-n", "2", "-t", "2"])


def test_every_site_contributes_to_every_round(run: SimulatedRun) -> None:
    assert run.report["failures"] == [], run.output[-3000:]
    with (run.server / "contributions.csv").open(newline="") as file:
        rows = [(r["round"], r["site"], r["contribution"]) for r in csv.DictReader(file)]
    assert rows == [
        (str(n), site, "accepted") for n in range(1, ROUNDS + 1) for site in ("site-1", "site-2")
    ]


def test_the_model_is_a_3d_one_with_each_weight_once_and_has_learnt(
    run: SimulatedRun, job: Path
) -> None:
    network = build_network(read_settings(job / "app/config/training.json"))
    initial = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    model = torch.load(run.last_model, weights_only=True)["model"]
    assert model.keys() == initial.keys()
    assert not any(name.startswith("skip_layers.") for name in model)
    kernels = {name: tensor for name, tensor in model.items() if tensor.ndim > 1}
    assert {tensor.ndim for tensor in kernels.values()} == {5}
    for name, tensor in kernels.items():
        assert not torch.equal(tensor, initial[name]), name
    assert any(name.startswith("deep_supervision_heads.") for name in kernels)


def test_models_are_measured_and_released_as_3d(run: SimulatedRun) -> None:
    for reports in run.report["final"].values():
        assert set(reports) == {"site-1", "site-2"}
        assert all(0 <= r["test"]["dice"] <= 1 for r in reports.values())
    card = read_release(run.server / "release").card
    assert (card.settings.spatial_dims, card.settings.deep_supervision) == (3, True)
    assert card.settings.patch_size == (16, 32, 32)
    assert set(run.report["receipts"]) == {"site-1", "site-2"}
