"""At the end of a run one model is released, and every site holds it with its card."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from nvflare.apis.dxo import DXO, DataKind
from safetensors.torch import load_file

from fedgin.errors import FedginError
from fedgin.flare.delivery import delivery_message, read_delivery
from fedgin.release.model_file import read_release

from .conftest import ROUNDS, SimulatedRun


@pytest.fixture(scope="module", params=["one_thread", "two_threads"])
def run(request: pytest.FixtureRequest) -> SimulatedRun:
    found: SimulatedRun = request.getfixturevalue(request.param)
    return found


def copies(run: SimulatedRun) -> dict[str, Path]:
    found = {}
    for site in ("site-1", "site-2"):
        (folder,) = (run.workspace / site / "simulate_job" / "models").iterdir()
        found[site] = folder
    return found


def test_the_released_model_is_the_best_one(run: SimulatedRun) -> None:
    weights = load_file(run.server / "release" / "model.safetensors")
    best = torch.load(run.report["files"]["Best model"], weights_only=True)["model"]
    assert weights.keys() == best.keys()
    assert all(torch.equal(weights[name], torch.as_tensor(best[name])) for name in best)
    assert run.report["files"]["Released model"] == str(run.server / "release")


def test_the_card_says_what_the_report_says(run: SimulatedRun) -> None:
    card, report = read_release(run.server / "release").card, run.report
    assert (card.choice.after_round, card.rounds) == (report["best_round"], ROUNDS)
    assert card.choice.score == pytest.approx(report["best_score"])
    for site, facts in card.sites.items():
        theirs = report["final"]["best"][site]
        assert facts.modality == theirs["modality"]
        assert facts.test is not None and facts.validation is not None
        assert facts.test.dice == theirs["test"]["dice"]
        assert facts.validation.per_class == theirs["validation"]["per_class"]
        assert facts.training_slices and facts.training_slices > 0
    assert set(card.sites) == {"site-1", "site-2"}


def test_every_site_holds_the_model_and_its_card_and_the_report_says_so(
    run: SimulatedRun,
) -> None:
    released = read_release(run.server / "release")
    for folder in copies(run).values():
        copy = read_release(folder)
        assert copy.content == released.content
        assert copy.card == released.card
        assert folder.name == released.card.lineage
    digest = released.card.weights.sha256
    assert run.report["receipts"] == {"site-1": digest, "site-2": digest}
    assert f"Released model {digest[:16]} held by site-1, site-2" in run.output


def test_a_delivery_is_checked_on_arrival(two_threads: SimulatedRun) -> None:
    released = read_release(two_threads.server / "release")
    card, content = read_delivery(delivery_message(released.content, released.card))
    assert (card, content) == (released.card, released.content)
    with pytest.raises(FedginError, match="the delivered model"):
        read_delivery(delivery_message(released.content[:-4], released.card))
    other = DXO(data_kind=DataKind.APP_DEFINED, data={"weights": b"", "card": None})
    with pytest.raises(ValueError, match="a delivery holds"):
        read_delivery(other.to_shareable())
