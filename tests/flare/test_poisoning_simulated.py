"""One of five sites poisons, in FLARE's simulator: what is refused, and which model comes out."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from fedgin.engine.aggregation import aggregate_updates
from fedgin.engine.norm_gate import NormGate
from fedgin.engine.site_work import SiteWork
from fedgin.engine.update_norms import update_norms
from fedgin.engine.weights import Weights, add, get_weights
from fedgin.federation_settings import FederationSettings
from fedgin.jobs.export import export_job
from fedgin.networks import build_network
from fedgin.settings import read_settings
from fedgin.sites.lookup import load_site

from .conftest import QUICK, SimulatedRun, simulate
from .poisoning_learner import poisoned

pytestmark = pytest.mark.slow

SITES = tuple(f"site-{number}" for number in range(1, 6))
BAD = "site-5"
ATTACKS = {"0": "sign_flip", "1": "sign_flip", "2": "nan"}
FACTORS = {"0": 1.0, "1": 10.0}
"""The first attack has the norm of an honest update: the median has to bear it, not the gate."""
ROUNDS = 3


@pytest.fixture(scope="module")
def configs(phantom_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three CT sites and two MR ones."""
    folder = tmp_path_factory.mktemp("five")
    for number, site in enumerate(SITES):
        like = phantom_folder / f"site-{number % 2 + 1}.yaml"
        content = yaml.safe_load(like.read_text())
        content["dataset"]["seed"] = number + 1
        (folder / f"{site}.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.fixture(scope="module")
def job(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The heart job, small, without the evaluation at its end."""
    job = export_job(
        repository / "jobs" / "fed_gin_heart",
        tmp_path_factory.mktemp("poisoned") / "job",
        byoc=True,
        overrides=[*QUICK, f"num_rounds={ROUNDS}", "min_clients=5", "aggregation=median"],
    )
    config = job / "app" / "config"
    client = json.loads((config / "config_fed_client.json").read_text())
    (learner,) = (part for part in client["components"] if part["id"] == "learner")
    learner["path"] = "poisoning_learner.PoisoningLearner"
    learner["args"].update({"site": BAD, "attacks": ATTACKS, "factors": FACTORS})
    (config / "config_fed_client.json").write_text(json.dumps(client))
    server = json.loads((config / "config_fed_server.json").read_text())
    server["workflows"] = server["workflows"][:1]
    (config / "config_fed_server.json").write_text(json.dumps(server))
    shutil.copy(Path(__file__).with_name("poisoning_learner.py"), job / "app" / "custom")
    return job


@pytest.fixture(scope="module")
def run(job: Path, configs: Path, tmp_path_factory: pytest.TempPathFactory) -> SimulatedRun:
    folder = tmp_path_factory.mktemp("run")
    arguments = ["-c", ",".join(SITES), "-t", str(len(SITES))]
    return simulate(job, folder, site_configs=configs, arguments=arguments)


def test_what_is_refused_is_listed_with_the_reason(run: SimulatedRun) -> None:
    with (run.server / "contributions.csv").open(newline="") as file:
        rows = {(int(row["round"]), row["site"]): row for row in csv.DictReader(file)}
    assert set(rows) == {(number + 1, site) for number in range(ROUNDS) for site in SITES}
    refused = {key: row["reason"] for key, row in rows.items() if row["contribution"] == "refused"}
    assert set(refused) == {(2, BAD), (3, BAD)}, run.output[-3000:]
    assert "site-5 sent too much, weights: norm" in refused[2, BAD]
    assert "site-5 sent values that are not finite" in refused[3, BAD]
    assert {row["contribution"] for key, row in rows.items() if key not in refused} == {"accepted"}
    report = run.report
    assert report["aggregation"].startswith("median of each coordinate")
    assert [words[:8] for words in report["refusals"]] == ["round 2:", "round 3:"]
    assert report["finished_rounds"] == ROUNDS
    assert BAD not in report["validation"]["1"]  # what a refused site says of the model goes too
    for text in (run.output, (run.server / "report.html").read_text()):
        assert "norm" in text
        assert "above 5 times the running median" in text


def test_the_model_is_that_of_the_same_arithmetic_without_flare(
    run: SimulatedRun,
    job: Path,
    configs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FEDGIN_SITE_CONFIGS", str(configs))
    settings = read_settings(job / "app" / "config" / "training.json")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the sites' files say
    works = {
        site: SiteWork(site=load_site(site), settings=settings, run_folder=tmp_path / site)
        for site in SITES
    }
    weights = get_weights(build_network(settings))
    rules = FederationSettings(aggregation="median")
    gate = NormGate(factor=5.0)
    for number in range(ROUNDS):
        sent = {}
        for site, work in works.items():
            result = work.train(
                weights, round_number=number, rounds=ROUNDS, validation_dice=float("nan")
            )
            sent[site] = result.difference
        key = str(number)
        sent[BAD] = poisoned(sent[BAD], ATTACKS[key], factor=FACTORS.get(key, 10.0))
        good = {
            site: update
            for site, update in sent.items()
            if all(np.isfinite(array).all() for array in update.values())
        }
        refused = gate.check(
            {site: update_norms(update)["weights"] for site, update in good.items()}
        )
        good = {site: update for site, update in good.items() if site not in refused}
        assert set(good) == set(SITES if number == 0 else SITES[:-1])
        change, _ = aggregate_updates(
            {site: (lambda update=update: update) for site, update in good.items()},
            rules=rules,
            weights=dict.fromkeys(good, 1.0),
            refused=len(SITES) - len(good),
        )
        weights = add(weights, change)
    torch.set_num_threads(threads)
    simulated = torch.load(run.last_model, weights_only=True)["model"]
    assert simulated.keys() == weights.keys()
    assert_same(simulated, weights)


def assert_same(simulated: dict[str, torch.Tensor], weights: Weights) -> None:
    """Compares bit for bit."""
    odd = [name for name, array in weights.items() if not np.array_equal(simulated[name], array)]
    assert odd == []
