"""The encrypted job in FLARE's simulator beside the plain one: same seeds, same weighting."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fedgin.encryption.contexts import CLIENT_FILE, PRECISION, SERVER_FILE
from fedgin.engine.weights import set_weights
from fedgin.flare.encryption.keys import SIMULATED_KEYS
from fedgin.jobs.export import export_job
from fedgin.networks import build_network
from fedgin.release.model_file import ReleasedModel, read_release
from plain_values import find_values, hold_any, secret_pieces

from .conftest import QUICK, ROUNDS, SimulatedRun, simulate

AMPLIFIED = 16

pytestmark = pytest.mark.slow

SITES = ("site-1", "site-2")


@pytest.fixture(scope="module")
def encrypted(
    repository: Path, phantom_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> SimulatedRun:
    """The encrypted job; nobody made any keys before."""
    folder = tmp_path_factory.mktemp("encrypted")
    job = export_job(
        repository / "jobs" / "fed_gin_heart_he",
        folder / "job",
        byoc=True,
        overrides=[*QUICK, f"num_rounds={ROUNDS}"],
    )
    arguments = ["-n", "2", "-t", "2"]
    return simulate(job, folder / "run", site_configs=phantom_folder, arguments=arguments)


def released(run: SimulatedRun, site: str = "site-1") -> ReleasedModel:
    (folder,) = (run.workspace / site / "simulate_job" / "models").iterdir()
    return read_release(folder)


def test_the_run_is_whole_and_every_site_holds_the_same_decrypted_model(
    encrypted: SimulatedRun,
) -> None:
    report = encrypted.report
    assert report["failures"] == [], encrypted.output[-5000:]
    for model in ("best", "last"):
        assert set(report["final"][model]) == set(SITES)
    first, second = (released(encrypted, site) for site in SITES)
    assert first.content == second.content
    assert first.card == second.card
    assert report["receipts"] == dict.fromkeys(SITES, first.card.weights.sha256)
    assert report["released"] == first.card.weights.sha256
    assert f"Released model {first.name} held by site-1, site-2" in encrypted.output


def test_it_is_the_plain_job_s_model_within_the_stated_precision(
    encrypted: SimulatedRun, two_threads: SimulatedRun
) -> None:
    ours, theirs = released(encrypted), released(two_threads)
    assert ours.card.settings == theirs.card.settings
    assert ours.card.choice.after_round == theirs.card.choice.after_round
    differences = {
        name: float(np.abs(ours.weights[name] - theirs.weights[name]).max())
        for name in theirs.weights
    }
    # A bias in front of an instance norm changes nothing, so that its gradient is rounding error
    # and AdamW, which divides by its size, walks at random: one learning rate a step at most.
    idle = {name for name in differences if name.endswith("conv.bias")}
    counted = max(value for name, value in differences.items() if name not in idle)
    sys.stdout.write(
        f"\nencrypted against plain after {ROUNDS} rounds: largest difference of a weight "
        f"{counted:.1e}, of a bias without effect {max(differences[n] for n in idle):.1e}\n"
    )
    # A round's average is exact to PRECISION; AdamW's next steps make more of it, though not much.
    assert 0 < counted < AMPLIFIED * ROUNDS * PRECISION
    settings = ours.card.settings
    steps = ROUNDS * settings.steps_per_round
    assert max(differences[name] for name in idle) < 2 * steps * settings.learning_rate
    image = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 1, 64, 64)))
    scores = []
    for model in (ours, theirs):
        network = build_network(settings.resolve())
        set_weights(network, model.weights)
        with torch.no_grad():
            scores.append(network.eval()(image.float()))
    assert float((scores[0] - scores[1]).abs().max()) < 1e-4
    assert float(scores[0].std()) > 1e-2


def test_sites_weigh_and_score_as_in_the_plain_job(
    encrypted: SimulatedRun, two_threads: SimulatedRun
) -> None:
    tables = [(run.server / "contributions.csv").read_text() for run in (encrypted, two_threads)]
    assert tables[0] == tables[1]
    first, second = (run.report for run in (encrypted, two_threads))
    assert first["best_round"] == second["best_round"]
    for number, reports in second["validation"].items():
        for site in reports:
            ours, theirs = (
                r["validation"][number][site]["validation"]["dice"] for r in (first, second)
            )
            assert ours == pytest.approx(theirs, abs=2e-3)
    results = json.loads((encrypted.server / "cross_site_val/cross_val_results.json").read_text())
    for site in SITES:
        assert results[site]["SRV_FL_global_model.pt"]["test"]["dice"] is not None


def test_nothing_on_the_server_s_disk_holds_the_model_or_the_key(
    encrypted: SimulatedRun, two_threads: SimulatedRun
) -> None:
    model = released(encrypted)
    assert find_values(encrypted.server.parent, model.weights) == {}
    assert not (encrypted.server / "release").exists()
    keys = encrypted.workspace / SIMULATED_KEYS
    client, server = ((keys / name).read_bytes() for name in (CLIENT_FILE, SERVER_FILE))
    pieces = secret_pieces(client, server)
    assert hold_any(encrypted.server.parent, pieces) == []
    # The search finds what is there: a plain job's server has it all, a site has the key.
    plain = find_values(two_threads.server.parent, released(two_threads).weights)
    assert any(name.endswith("FL_global_model.pt") for name in plain)
    assert any(name.endswith("model.safetensors") for name in plain)
    assert len(hold_any(encrypted.workspace / "site-1" / "startup", pieces)) == 1


def test_messages_and_rounds_cost_what_is_said(
    encrypted: SimulatedRun, two_threads: SimulatedRun
) -> None:
    numbers = released(encrypted).card.weights.parameters
    sealed, plain = (run.last_model.stat().st_size for run in (encrypted, two_threads))
    seconds = [
        [int(text) for text in re.findall(r"round \d of \d: ended after (\d+) s", run.output)]
        for run in (encrypted, two_threads)
    ]
    spent = re.findall(
        r"Encryption time for \d+ of \d+ params .* ([\d.]+) seconds", encrypted.output
    )
    sys.stdout.write(
        f"\n{numbers} weights: the global model has {sealed / numbers:.1f} bytes a weight, "
        f"encrypted, and {plain / numbers:.1f} plain; rounds took {seconds[0]} and {seconds[1]} s, "
        f"of which encryption {max(map(float, spent)):.2f} s at most\n"
    )
    assert sealed / numbers < 64
    assert len(seconds[0]) == len(seconds[1]) == ROUNDS
    assert len(spent) == ROUNDS * len(SITES)
