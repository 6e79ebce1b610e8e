"""FedProx and FedBN, and that nothing of them touches a run without them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_trainer import one_round, same_bits, settings, start, trainer
from torch import nn

from fedgin.engine.objectives import LocalNormalization, Proximal, check_algorithm
from fedgin.engine.site_work import SiteWork
from fedgin.engine.weights import Weights, add
from fedgin.errors import ConfigError
from fedgin.networks import build_network, normalization_keys
from fedgin.settings import make_settings
from fedgin.sites.lookup import Site

BN: dict[str, Any] = {"algorithm": "fedbn", "normalization": "batch"}


def test_the_proximal_gradient_is_that_of_the_formula() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    network[0].bias.requires_grad_(False)
    hook = Proximal(0.7)
    hook.before_round(network, {}, None)
    anchor = [parameter.detach().clone() for parameter in network.parameters()]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))
    images = torch.randn(5, 3)
    trainable = [
        (p, a) for p, a in zip(network.parameters(), anchor, strict=True) if p.requires_grad
    ]
    distance = sum(((p - a) ** 2).sum() for p, a in trainable)
    loss = network(images).square().mean() + 0.7 / 2 * distance
    expected = torch.autograd.grad(loss, [p for p, _ in trainable])

    network(images).square().mean().backward()
    hook.after_backward(network)
    for (parameter, _), gradient in zip(trainable, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    assert network[0].bias.grad is None


def test_the_first_step_feels_no_pull_and_later_ones_do(tmp_path: Path) -> None:
    def run(name: str, **more: Any) -> Weights:
        more = {"schedule": "constant", **more}
        return one_round(trainer(**more), start(), tmp_path / name).difference

    prox = {"algorithm": "fedprox", "proximal_mu": 50.0}
    assert same_bits(run("a", steps_per_round=1), run("b", steps_per_round=1, **prox))
    free, held = run("c", steps_per_round=12), run("d", steps_per_round=12, **prox)

    def length(difference: Weights) -> float:
        return float(sum((array.astype(float) ** 2).sum() for array in difference.values()) ** 0.5)

    assert length(held) < 0.8 * length(free)


def other_normalization(weights: Weights, keys: frozenset[str]) -> Weights:
    """The same weights with all normalization values doubled and shifted."""
    return {
        name: (array * 2 + 1).astype(array.dtype) if name in keys else array
        for name, array in weights.items()
    }


def test_a_site_goes_on_from_its_own_normalization_whatever_the_server_sends(
    tmp_path: Path,
) -> None:
    engine, weights = trainer(**BN), start(**BN)
    keys = normalization_keys(engine.network)
    first = one_round(engine, weights, tmp_path, number=0)
    after_first = add(weights, first.difference)
    foreign = other_normalization(after_first, keys)
    seen = one_round(engine, after_first, tmp_path, number=1)
    blind = one_round(engine, foreign, tmp_path, number=1)
    ends = add(after_first, seen.difference), add(foreign, blind.difference)
    for name in ends[0]:
        np.testing.assert_allclose(ends[0][name], ends[1][name], rtol=1e-5, atol=1e-6)
    assert any(not np.array_equal(seen.difference[k], blind.difference[k]) for k in keys)
    # Without fedbn what the server sends does count.
    plain = trainer(normalization="batch")
    one_round(plain, weights, tmp_path / "plain", number=0)
    ends = tuple(
        add(w, one_round(plain, w, tmp_path / "plain", number=1).difference)
        for w in (after_first, foreign)
    )
    assert any(not np.allclose(ends[0][k], ends[1][k], atol=1e-2) for k in keys)


def test_the_first_round_is_that_of_federated_averaging(tmp_path: Path) -> None:
    weights = start(**BN)
    own = one_round(trainer(**BN), weights, tmp_path / "a")
    plain = one_round(trainer(normalization="batch"), weights, tmp_path / "b")
    assert same_bits(own.difference, plain.difference)


def test_evaluation_takes_the_layers_of_the_round_before(tmp_path: Path) -> None:
    engine, weights = trainer(**BN), start(**BN)
    keys = normalization_keys(engine.network)
    ends = [weights]
    for number in range(3):
        difference = one_round(engine, ends[-1], tmp_path, number=number).difference
        ends.append(add(ends[-1], difference))
    foreign = other_normalization(ends[-1], keys)
    for before_round, expected in ((0, foreign), (2, ends[2]), (3, ends[3]), (None, ends[3])):
        found = engine.starting_weights(foreign, state_folder=tmp_path, before_round=before_round)
        assert found.keys() == foreign.keys()
        for name in foreign:
            wanted = expected[name] if name in keys else foreign[name]
            np.testing.assert_allclose(found[name], wanted, rtol=1e-5, atol=1e-6)
    plain = trainer(normalization="batch")
    assert plain.starting_weights(foreign, state_folder=tmp_path) is foreign


def test_a_site_measures_the_global_model_with_its_own_layers(
    load: Callable[[str], Site], tmp_path: Path
) -> None:
    run = make_settings(
        task="heart",
        channels=[4, 8],
        patch_size=[64, 64],
        spacing=[5.0, 5.0, None],
        batch_size=2,
        steps_per_round=2,
        **BN,
    )
    work = SiteWork(site=load("site-1"), settings=run, run_folder=tmp_path)
    weights = {name: t.numpy() for name, t in build_network(run).state_dict().items()}
    assert same_bits(dict(work.own_weights(weights, before_round=0)), weights)
    result = work.train(weights, round_number=0, rounds=1, validation_dice=0.0)
    own = work.own_weights(weights)
    ends = add(weights, result.difference)
    keys = normalization_keys(work.trainer.network)
    assert all(np.allclose(own[name], ends[name], atol=1e-6) for name in keys)
    assert all(np.array_equal(own[name], weights[name]) for name in weights.keys() - keys)
    assert len(work.validate(own).cases) == 1


def test_dual_sets_stay_local_too(tmp_path: Path) -> None:
    more = {"algorithm": "fedbn", "augmentation": "dual_normalization"}
    engine, weights = trainer(**more), start(**more)
    keys = normalization_keys(engine.network)
    assert {"similar", "dissimilar"} <= {part for key in keys for part in key.split(".")}
    one_round(engine, weights, tmp_path)
    found = engine.starting_weights(weights, state_folder=tmp_path)
    moved = {name for name in weights if not np.array_equal(found[name], weights[name])}
    assert moved
    assert moved <= keys


@pytest.mark.parametrize("dims", [2, 3])
def test_a_round_of_dual_normalization_trains_both_sets(tmp_path: Path, dims: int) -> None:
    more: dict[str, Any] = {"augmentation": "dual_normalization", "steps_per_round": 2}
    if dims == 3:
        more |= {"spatial_dims": 3, "patch_size": [16, 16, 16]}
    engine = trainer(**more)
    images, labels, _ = engine.batch(0, 0)
    assert (images.shape[0], labels.shape[0]) == (4, 2)
    result = one_round(engine, start(**more), tmp_path)
    assert np.isfinite(result.loss)
    for name in ("similar", "dissimilar"):
        part = [a for key, a in result.difference.items() if f".{name}." in key]
        assert part
        assert all(np.abs(array).max() > 0 for array in part)


@pytest.mark.parametrize("network", ["unet", "dynunet"])
def test_fedbn_without_values_to_keep_is_refused(network: str) -> None:
    with pytest.raises(ConfigError, match=r"normalization=batch or normalization=instance_affine"):
        LocalNormalization(frozenset())
    channels = [4, 8, 16]
    if network == "unet":
        for refused in (trainer, lambda **more: check_algorithm(settings(**more))):
            with pytest.raises(ConfigError, match="fedbn"):
                refused(algorithm="fedbn", channels=channels)
    check_algorithm(settings(network=network, channels=channels, **BN))
    check_algorithm(settings(algorithm="fedbn", normalization="instance_affine"))


@pytest.mark.parametrize("algorithm", ["fedprox", "fedbn", "scaffold"])
def test_training_without_a_federation_takes_no_note_of_the_algorithm(
    algorithm: str,
) -> None:
    values: dict[str, Any] = {"task": "heart", "channels": [4, 8], "normalization": "batch"}
    assert make_settings(**values, algorithm=algorithm).without_federation() == make_settings(
        **values
    )


@pytest.mark.parametrize("mu", [0, -1, float("inf"), float("nan")])
def test_the_pull_must_be_above_zero(mu: float) -> None:
    with pytest.raises(ConfigError, match="proximal_mu"):
        make_settings(task="heart", proximal_mu=mu)
