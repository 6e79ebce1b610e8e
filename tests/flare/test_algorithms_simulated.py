"""SCAFFOLD, FedBN and Dual-Normalization end to end, judged by what the runs leave behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fedgin.engine.state import load_newest_state
from fedgin.jobs.export import export_job
from fedgin.networks import build_network, normalization_keys
from fedgin.settings import read_settings

from .conftest import QUICK, ROUNDS, SimulatedRun, simulate

pytestmark = pytest.mark.slow

SITES = ("site-1", "site-2")
RUNS = {
    "scaffold": ("algorithm=scaffold",),
    "fedbn": ("algorithm=fedbn", "normalization=batch"),
    "dual": ("augmentation=dual_normalization",),
}


@pytest.fixture(scope="session")
def algorithm_run(
    repository: Path, phantom_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[SimulatedRun, Path]]:
    """Runs each job once, when a test first asks for it; returns the run and the job."""
    done: dict[str, tuple[SimulatedRun, Path]] = {}

    def run(name: str) -> tuple[SimulatedRun, Path]:
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            job = export_job(
                repository / "jobs" / "fed_gin_heart",
                folder / "job",
                byoc=True,
                overrides=[*QUICK, f"num_rounds={ROUNDS}", *RUNS[name]],
            )
            arguments = ["-n", "2", "-t", "2"]
            simulated = simulate(
                job, folder / "run", site_configs=phantom_folder, arguments=arguments
            )
            done[name] = (simulated, job)
        return done[name]

    return run


def last_weights(run: SimulatedRun) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = torch.load(run.last_model, weights_only=True)["model"]
    return weights


def kept(run: SimulatedRun, site: str) -> dict[str, dict[str, torch.Tensor]]:
    """What the algorithm left in a site's state folder."""
    folder = run.workspace / site / "simulate_job" / "state"
    state = load_newest_state(folder, before_round=None, device=torch.device("cpu"))
    assert state is not None
    found: dict[str, dict[str, torch.Tensor]] = state["kept_by_algorithm"]
    return found


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_whole(
    name: str, algorithm_run: Callable[[str], tuple[SimulatedRun, Path]]
) -> None:
    run, job = algorithm_run(name)
    report = run.report
    assert report["failures"] == [], run.output
    assert {int(number): sorted(sites) for number, sites in report["contributions"].items()} == {
        number: list(SITES) for number in range(ROUNDS)
    }
    assert sorted(report["validation"], key=int) == [str(n) for n in range(ROUNDS + 1)]
    results = json.loads((run.server / "cross_site_val" / "cross_val_results.json").read_text())
    for site in SITES:
        assert 0 <= results[site]["SRV_FL_global_model.pt"]["test"]["dice"] <= 1
    network = build_network(read_settings(job / "app/config/training.json"))
    initial = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    weights = last_weights(run)
    network.load_state_dict(weights)
    for key, tensor in network.state_dict().items():
        assert torch.isfinite(tensor).all()
        if key.endswith("running_var"):
            assert (tensor > 0).all()
        if key.endswith("num_batches_tracked"):
            assert int(tensor) == ROUNDS * 4
    assert any(not torch.equal(t, initial[key]) for key, t in network.state_dict().items())


def test_scaffold_s_sites_hold_controls_that_differ(
    algorithm_run: Callable[[str], tuple[SimulatedRun, Path]],
) -> None:
    run, _ = algorithm_run("scaffold")
    assert "federated heart, augmentation gin, algorithm scaffold: complete" in run.output
    controls = [kept(run, site)["control"] for site in SITES]
    weights = last_weights(run)
    for control in controls:
        assert control.keys() == weights.keys()  # instance normalization: no buffers
        assert all(torch.isfinite(tensor).all() for tensor in control.values())
    lengths = [float(sum(t.square().sum() for t in c.values()) ** 0.5) for c in controls]
    apart = sum((controls[0][key] - controls[1][key]).square().sum() for key in weights)
    assert min(lengths) > 0
    assert float(apart) ** 0.5 > 1e-3 * max(lengths)


def first_site_s_share(
    weights: dict[str, torch.Tensor], sites: list[dict[str, np.ndarray]]
) -> float:
    """The share with which one array was averaged: it must do for all others."""
    key = next(key for key in sites[0] if key.endswith("running_mean"))
    place = np.abs(sites[0][key] - sites[1][key]).argmax()
    first, second = (float(site[key][place]) for site in sites)
    return (float(weights[key][place]) - second) / (first - second)


def test_fedbn_s_server_has_the_average_of_layers_that_stay_at_the_sites(
    algorithm_run: Callable[[str], tuple[SimulatedRun, Path]],
) -> None:
    run, job = algorithm_run("fedbn")
    network = build_network(read_settings(job / "app/config/training.json"))
    keys = normalization_keys(network)
    own = [kept(run, site)["own"] for site in SITES]
    assert own[0].keys() == own[1].keys() == keys
    weights = last_weights(run)
    values = [{key: tensor.double().numpy() for key, tensor in part.items()} for part in own]
    share = first_site_s_share(weights, values)
    assert 0.1 < share < 0.9
    for key in keys:
        first, second = (part[key] for part in values)
        expected = share * first + (1 - share) * second
        if key.endswith("running_var"):
            first, second = (part[key.replace("_var", "_mean")] for part in values)
            expected = expected + share * (1 - share) * (first - second) ** 2
        np.testing.assert_allclose(weights[key].double().numpy(), expected, rtol=1e-3, atol=1e-5)
    assert any(not torch.equal(own[0][key], own[1][key]) for key in keys)
