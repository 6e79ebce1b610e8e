"""`fedgin audit`, whole: every bound holds, and would not with the defence off."""

from __future__ import annotations

from typing import Any

import pytest
from audit_results import LIMIT_SECONDS, Audit

from fedgin.audit import backdoor, inversion, membership, poisoning, utility
from fedgin.audit.registry import ROWS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * LIMIT_SECONDS)]


def test_the_table_has_every_row_and_ends_in_time(audit: Audit) -> None:
    assert list(audit.report["rows"]) == list(ROWS)
    assert audit.report["seconds"] < LIMIT_SECONDS
    for row in audit.report["rows"].values():
        assert row["without"] and row["defended"]


@pytest.mark.parametrize("name", ROWS)
def test_the_bound_of_a_row_holds(audit: Audit, name: str) -> None:
    row: dict[str, Any] = audit.report["rows"][name]
    assert row["holds"], row


def test_the_exit_code_says_whether_all_bounds_hold(audit: Audit) -> None:
    assert audit.code == (0 if audit.report["holds"] else 1)
    assert "bounds broken" in audit.printed


def test_inversion_without_noise_breaks_its_bound(audit: Audit) -> None:
    values = audit.figures("inversion")

    def likeness(name: str) -> inversion.Likeness:
        return inversion.Likeness(ssim=values[f"{name}: SSIM"], psnr=values[f"{name}: PSNR"])

    first = f"epsilon {inversion.EPSILONS[0]:g}"
    for name, expected in ((first, True), ("clip only", False), ("no filter", False)):
        found = inversion.holds(
            without=likeness("no filter"),
            defended=likeness(name),
            guess=likeness("blind guess"),
        )
        assert found is expected, name


def test_membership_without_the_filter_breaks_its_bound(audit: Audit) -> None:
    values = audit.figures("membership")

    def attack(name: str) -> membership.Attack:
        return membership.Attack(
            auc=values[f"{name}: AUC"],
            interval=audit.interval("membership", f"{name}: AUC"),
            dice=values[f"{name}: Dice"],
        )

    open_, private = attack("no filter"), attack(f"epsilon {membership.EPSILONS[0]:g}")
    assert membership.holds(without=open_, defended=private)
    assert not membership.holds(without=open_, defended=open_)


@pytest.mark.parametrize("rule", [rule for rule in poisoning.AGGREGATIONS if rule != "FedAvg"])
def test_poisoning_breaks_the_bound_of_each_defence_that_is_fedavg(audit: Audit, rule: str) -> None:
    values = audit.figures("poisoning")
    dice = {
        attack: {
            "FedAvg": values[f"{attack}, FedAvg: Dice"],
            rule: values[f"{attack}, {rule}"],
        }
        for attack in poisoning.ATTACKS
    }
    clean = {"clean": {"FedAvg": values["clean, FedAvg: Dice"]}}
    assert poisoning.Outcome({**clean, **dice}).holds()
    off = {name: {"FedAvg": row["FedAvg"], rule: row["FedAvg"]} for name, row in dice.items()}
    assert not poisoning.Outcome({**clean, **off}).holds()


def test_the_backdoor_without_the_clip_breaks_its_bound(audit: Audit) -> None:
    values = audit.figures("backdoor")

    def result(name: str) -> backdoor.Result:
        return backdoor.Result(
            success=values[f"{name}: trigger success"], dice=values[f"{name}: Dice"]
        )

    honest, attack = result("no attack"), result("attack")
    clipped = result(f"norm clip {backdoor.MAX_NORM:g}")
    assert backdoor.holds(honest=honest, without=attack, defended=clipped)
    assert not backdoor.holds(honest=honest, without=attack, defended=attack)


def test_utility_without_noise_breaks_its_bound(audit: Audit) -> None:
    values = audit.figures("utility")
    clipped = values[f"clip {utility.MAX_NORM:g} only: Dice"]
    without = values["no filter: Dice"]
    no_noise = dict.fromkeys(utility.EPSILONS, clipped)
    assert not utility.holds(without=without, clipped=clipped, private=no_noise)
