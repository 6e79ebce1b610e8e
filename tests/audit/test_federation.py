"""The audit's federation, its attackers and the assessing of its rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedgin.audit import backdoor, membership, poisoning, utility
from fedgin.audit.federation import Contribution, fedavg
from fedgin.audit.release import clipped_release, multiplier_for, private_release
from fedgin.data.prepare import PreparedCase
from fedgin.privacy.accounting import gaussian_epsilon
from fedgin.privacy.clipping import update_norm


def contribution(value: float, *, slices: float = 10.0) -> Contribution:
    return Contribution({"a": np.full((3, 4), value, dtype=np.float32)}, slices)


def case() -> PreparedCase:
    label = np.zeros((5, 20, 24), dtype=np.uint8)
    label[2, 4:9, 5:12] = 1
    return PreparedCase(
        name="case-1",
        patient="p1",
        site="site-1",
        modality="CT",
        image=np.random.default_rng(0).uniform(-0.5, 0.5, label.shape).astype(np.float16),
        label=label,
        foreground=np.column_stack([np.ones(35), np.argwhere(label)]).astype(np.int32),
        spacing=(10.0, 5.0, 5.0),
    )


def test_fedavg_weighs_by_what_the_sites_claim() -> None:
    received = {"x": contribution(1.0, slices=10), "y": contribution(4.0, slices=30)}
    np.testing.assert_allclose(fedavg(received)["a"], (10 * 1 + 30 * 4) / 40)


def test_a_release_is_clipped_and_its_noise_has_the_spread_of_the_sensitivity() -> None:
    large = {"a": np.full((200, 200), 5.0, dtype=np.float32)}
    honest = Contribution(large, 10.0)
    clipped = clipped_release(max_norm=2.0)("site-1", 0, honest)
    assert update_norm(clipped.update) == pytest.approx(2.0, rel=1e-6)
    tamper = private_release(max_norm=2.0, noise_multiplier=0.5, seed=0)
    noise = tamper("site-1", 0, honest).update["a"] - clipped.update["a"]
    assert noise.std() == pytest.approx(2 * 2.0 * 0.5, rel=0.02)
    assert np.array_equal(tamper("site-1", 0, honest).update["a"] - clipped.update["a"], noise)
    assert not np.array_equal(tamper("site-1", 1, honest).update["a"] - clipped.update["a"], noise)
    assert tamper("site-1", 0, honest).slices == 10.0


def test_the_multiplier_spends_the_epsilon_that_is_printed() -> None:
    for epsilon in (*utility.EPSILONS, *membership.EPSILONS):
        multiplier = multiplier_for(epsilon, releases=6)
        spent = gaussian_epsilon(noise_multiplier=multiplier, releases=6, delta=1e-5)
        assert spent == pytest.approx(epsilon, rel=1e-3)


@pytest.mark.parametrize(
    ("attack", "value", "slices"),
    [("sign flip x10", -20.0, 10.0), ("inflated count", -2.0, 10_000.0), ("clean", 2.0, 10.0)],
)
def test_only_the_poisoner_sends_something_else(attack: str, value: float, slices: float) -> None:
    tamper, honest = poisoning.tamper_of(attack), contribution(2.0)
    assert tamper("site-1", 0, honest) is honest
    sent = tamper(poisoning.POISONER, 0, honest)
    np.testing.assert_allclose(sent.update["a"], value)
    assert sent.slices == slices


def test_flipping_labels_exchanges_the_classes_and_where_they_are_sampled() -> None:
    found = poisoning.flipped(case())
    assert np.array_equal(found.label, 1 - case().label)
    where = tuple(found.foreground[:, 1:].T)
    assert (found.label[where] == 1).all()
    assert len(found.foreground) == found.label.sum()


def honest_updates() -> dict[str, Contribution]:
    return {f"site-{n}": contribution(1.0 + 0.1 * n) for n in range(1, 6)}


@pytest.mark.parametrize("attack", poisoning.HARMFUL)
def test_each_defence_keeps_the_average_near_the_honest_one(attack: str) -> None:
    tamper, expected = poisoning.tamper_of(attack), fedavg(honest_updates())["a"]
    received = {site: tamper(site, 0, part) for site, part in honest_updates().items()}
    for rule, make in poisoning.AGGREGATIONS.items():
        error = np.abs(make()(received)["a"] - expected).max()
        if rule == "FedAvg":
            assert not error < 2
        else:
            # One of five that pulls the other way with a quarter of the weight: 5/8 are lost.
            assert error < (
                0.9 if rule == poisoning.GATE and attack == "inflated count" else 0.2
            ), rule


def test_the_bound_of_poisoning_fails_for_a_defence_that_is_fedavg() -> None:
    fell = {"FedAvg": 0.1, "median": 0.7}
    dice = {"clean": {"FedAvg": 0.75}, **dict.fromkeys(poisoning.ATTACKS, fell)}
    assert poisoning.Outcome(dice).holds()
    off = {**dice, "sign flip x10": {"FedAvg": 0.1, "median": 0.1}}
    assert not poisoning.Outcome(off).holds()
    harmless = {**dice, "sign flip x10": {"FedAvg": 0.7, "median": 0.7}}
    assert not poisoning.Outcome(harmless).holds()


def test_the_trigger_lies_in_every_slice_and_the_lie_under_it() -> None:
    found = backdoor.triggered(case(), seed=1)
    side = backdoor.SIDE
    for z, (y, x) in enumerate(backdoor.places(case(), seed=1)):
        square = (z, slice(y, y + side), slice(x, x + side))
        assert np.array_equal(found.image[square], backdoor.pattern())
        assert (found.label[square] == 1).all()
    assert np.abs(case().image).max() < 1  # the original is untouched and has no trigger
    assert not np.array_equal(backdoor.places(case(), seed=1), backdoor.places(case(), seed=2))


def test_the_norm_clip_lets_no_site_replace_the_model() -> None:
    received = {"small": contribution(1000.0, slices=1), "large": contribution(0.1, slices=9)}
    assert update_norm(backdoor.norm_clip(received)) < 0.2 * backdoor.MAX_NORM + 0.4
    assert update_norm(fedavg(received)) > 100


def test_the_bounds_of_the_other_rows_fail_without_their_defence() -> None:
    honest, planted = backdoor.Result(0.0, 0.8), backdoor.Result(0.95, 0.7)
    stopped = backdoor.Result(0.02, 0.78)
    assert backdoor.holds(honest=honest, without=planted, defended=stopped)
    assert not backdoor.holds(honest=honest, without=planted, defended=planted)
    leak = membership.Attack(auc=0.9, interval=(0.8, 1.0), dice=0.7)
    guess = membership.Attack(auc=0.5, interval=(0.4, 0.6), dice=0.1)
    assert membership.holds(without=leak, defended=guess)
    assert not membership.holds(without=leak, defended=leak)
    assert not membership.holds(without=guess, defended=guess)
    assert not membership.holds(without=leak, defended=replace(guess, interval=(0.51, 0.7)))
    falling = dict.fromkeys(utility.EPSILONS, 0.1) | {max(utility.EPSILONS): 0.6}
    assert utility.holds(without=0.75, clipped=0.7, private=falling)
    assert not utility.holds(without=0.75, clipped=0.7, private=dict.fromkeys(falling, 0.7))
    assert not utility.holds(without=0.4, clipped=0.4, private=falling)
