"""Training on cases whose sites annotate different classes: bits, batches, teacher and privacy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from private_site import counted, private_steps

from fedgin.data.prepare import PreparedCase
from fedgin.engine.memory_need import memory_need
from fedgin.engine.trainer import RoundResult, Trainer
from fedgin.engine.unit_gradients import patch_gradients, whole_gradient
from fedgin.engine.weights import Weights, add, get_weights, set_weights
from fedgin.losses import build_loss
from fedgin.losses.views import ViewLoss
from fedgin.networks import build_network
from fedgin.settings import ResolvedSettings, make_settings

CPU = torch.device("cpu")
SHAPE = (6, 32, 32)
FOUR = ("liver", "spleen", "kidney_right", "kidney_left")


def make_case(number: int, lacking: Sequence[str] = (), *, site: str = "site-1") -> PreparedCase:
    """Four blocks of different brightness in noise, of which only some are in the label map."""
    generator = np.random.default_rng(number)
    truth = np.zeros(SHAPE, dtype=np.uint8)
    for index, (y, x) in enumerate(((4, 4), (4, 18), (18, 4), (18, 18)), start=1):
        truth[1:5, y : y + 10, x : x + 10] = index
    drawn = [index for index, name in enumerate(FOUR, start=1) if name not in lacking]
    label = np.where(np.isin(truth, drawn), truth, 0).astype(np.uint8)
    places = np.argwhere(label)
    return PreparedCase(
        name=f"case-{number}",
        patient=f"p{number}",
        site=site,
        modality="CT",
        image=(truth + generator.normal(0, 0.2, SHAPE)).astype(np.float16),
        label=label,
        foreground=np.column_stack([label[tuple(places.T)], places]).astype(np.int32),
        spacing=(1.0, 1.0, 1.0),
        not_annotated=tuple(lacking),
    )


def settings(**more: Any) -> ResolvedSettings:
    values = {
        "task": "abdomen",
        "classes": list(FOUR),
        "channels": [4, 8],
        "patch_size": [32, 32],
        "batch_size": 4,
        "steps_per_round": 3,
        "augmentation": "none",
        "geometric": False,
        **more,
    }
    return make_settings(**values)


def one_round(
    folder: Path, cases: list[PreparedCase], *, number: int = 0, **more: Any
) -> RoundResult:
    resolved = settings(**more)
    trainer = Trainer(settings=resolved, site="site-1", cases=cases, device=CPU)
    weights = get_weights(build_network(resolved))
    return trainer.run_round(weights, state_folder=folder, round_number=number, rounds=3)


def same_bits(first: Weights, second: Weights) -> bool:
    return all(first[name].tobytes() == second[name].tobytes() for name in first)


def largest(first: Weights, second: Weights) -> float:
    return max(float(np.abs(first[name] - second[name]).max()) for name in first)


WHOLE = [make_case(0), make_case(1)]
CT = [make_case(0, FOUR[2:]), make_case(1, FOUR[2:])]
MR = [make_case(2, FOUR[:2], site="site-2"), make_case(3, FOUR[:2], site="site-2")]
MARGINAL: dict[str, Any] = {"partial_labels": "marginal"}
TAUGHT: dict[str, Any] = {**MARGINAL, "distillation": {"weight": 1.0}}


@pytest.mark.parametrize("augmentation", ["none", "gin"])
def test_with_everything_annotated_a_round_has_the_same_bits(
    tmp_path: Path, augmentation: str
) -> None:
    ways = {"refuse": {}, "marginal": MARGINAL, "background": {"partial_labels": "background"}}
    made = {
        name: one_round(tmp_path / name, WHOLE, augmentation=augmentation, **more)
        for name, more in {**ways, "taught": TAUGHT}.items()
    }
    for result in made.values():
        assert same_bits(result.difference, made["refuse"].difference)
        assert result.loss == made["refuse"].loss


def test_unknown_classes_change_a_round_only_where_they_are_told(tmp_path: Path) -> None:
    naive = one_round(tmp_path / "a", CT, partial_labels="background")
    unmarked = [replace(case, not_annotated=()) for case in CT]
    assert same_bits(naive.difference, one_round(tmp_path / "b", unmarked).difference)
    marginal = one_round(tmp_path / "c", CT, **MARGINAL)
    assert largest(naive.difference, marginal.difference) > 1e-4
    assert marginal.loss < naive.loss  # the same background, of which more is allowed


def test_a_pooled_batch_tells_the_samples_of_each_site_apart() -> None:
    trainer = Trainer(
        settings=settings(**MARGINAL), site="a+b", cases=[*CT, *MR, *WHOLE], device=CPU
    )
    seen = set()
    for step in range(12):
        _, labels, known = trainer.batch(0, step)
        if known is None:
            continue
        assert known.shape == (4, 5)
        for sample, row in zip(labels, known, strict=True):
            seen.add(tuple(row.tolist()))
            assert all(row[int(index)] for index in sample.unique())
    assert seen == {
        (True, True, True, False, False),
        (True, False, False, True, True),
        (True, True, True, True, True),
    }


def test_the_teacher_counts_from_the_second_round_on(tmp_path: Path) -> None:
    first = [one_round(tmp_path / n, CT, **more) for n, more in (("a", MARGINAL), ("b", TAUGHT))]
    assert same_bits(first[0].difference, first[1].difference)
    later = [
        one_round(tmp_path / n, CT, number=2, **more)
        for n, more in (("c", MARGINAL), ("d", TAUGHT), ("e", TAUGHT))
    ]
    assert largest(later[0].difference, later[1].difference) > 1e-6
    assert same_bits(later[1].difference, later[2].difference)


def open_shares(trainer: Trainer, weights: Weights) -> torch.Tensor:
    """What a model says of background and kidneys, given that it is neither liver nor spleen."""
    set_weights(trainer.network, weights)
    images = torch.from_numpy(np.concatenate([case.image for case in WHOLE])).float()
    with torch.inference_mode():
        return trainer.network.eval()(images[:, None])[:, [0, 3, 4]].softmax(dim=1)


def test_the_teacher_holds_a_student_to_what_the_global_model_says(tmp_path: Path) -> None:
    """Trained on liver and spleen, a model keeps its kidneys where it is taught to."""
    sizes: dict[str, Any] = {"steps_per_round": 40, "learning_rate": 0.02, "channels": [8, 16]}
    resolved = settings(**sizes)
    trainer = Trainer(settings=resolved, site="site-1", cases=WHOLE, device=CPU)
    start = get_weights(build_network(resolved))
    whole = trainer.run_round(start, state_folder=tmp_path / "whole", round_number=0, rounds=1)
    teacher = add(start, whole.difference)
    kidneys = [trainer.evaluate(teacher, WHOLE).per_class()[name] for name in FOUR[2:]]
    assert min(kidneys) > 0.8
    moved = {}
    taught = {**MARGINAL, "distillation": {"weight": 10.0}}
    for name, more in (("free", MARGINAL), ("taught", taught)):
        student = Trainer(settings=settings(**sizes, **more), site="s", cases=CT, device=CPU)
        result = student.run_round(teacher, state_folder=tmp_path / name, round_number=2, rounds=3)
        after = open_shares(student, add(teacher, result.difference))
        moved[name] = float((after - open_shares(student, teacher)).abs().mean())
    assert moved["taught"] < 0.5 * moved["free"], moved


@pytest.mark.parametrize(
    "more",
    [
        {"algorithm": "fedbn", "normalization": "batch"},
        {"algorithm": "fedprox"},
        {"augmentation": "dual_normalization"},
        {"augmentation": "gin", "gin": {"consistency": 10.0}},
        {"augmentation": "gin", "gin": {"consistency": 10.0, "ipa": True}},
        {"spatial_dims": 3, "patch_size": [16, 16, 16]},
        {"network": "dynunet", "channels": [4, 8, 8]},
    ],
    ids=str,
)
def test_other_parts_of_training_go_with_a_teacher(tmp_path: Path, more: dict[str, Any]) -> None:
    result = one_round(tmp_path, [*CT, *MR], number=1, **TAUGHT, **more)
    assert np.isfinite(result.loss)
    assert any(np.abs(array).max() > 0 for array in result.difference.values())


def test_a_teachers_memory_is_counted() -> None:
    plain, marginal, taught = (memory_need(settings(**more)) for more in ({}, MARGINAL, TAUGHT))
    assert taught.weights == 2 * marginal.weights == 2 * plain.weights
    assert taught.step >= marginal.step >= plain.step


def private(unit: str, **more: Any) -> ResolvedSettings:
    dp = {"noise_multiplier": 1.0, "max_grad_norm": 0.5, "sampling_rate": 1.0, "unit": unit}
    return settings(dp_sgd=dp, **more)


def test_each_patchs_private_gradient_is_that_of_its_own_marginal_loss() -> None:
    resolved = private("slice", **MARGINAL)
    network = build_network(resolved).train()
    trainer = Trainer(settings=settings(**MARGINAL), site="a", cases=[*CT, *MR], device=CPU)
    images, labels, known = trainer.batch(0, 0)
    assert known is not None
    loss = ViewLoss(build_loss(), supervised=1, consistency=0.0)
    together, losses = patch_gradients(network, loss, images, labels, {"known": known})
    for number in range(len(labels)):
        one = slice(number, number + 1)
        alone, value = whole_gradient(
            network, loss, images[one], labels[one], {"known": known[one]}
        )
        assert float(losses[number]) == pytest.approx(float(value), rel=1e-5)
        for ours, theirs in zip(together, alone, strict=True):
            torch.testing.assert_close(ours[number], theirs[0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("unit", ["slice", "patient"])
def test_private_steps_know_what_is_unknown(unit: str) -> None:
    def clipped(cases: list[PreparedCase]) -> list[torch.Tensor]:
        steps = private_steps(cases, private(unit, **MARGINAL), secret=counted())
        return steps.clipped_sum([0, 1])[0].sums

    unmarked = [replace(case, not_annotated=()) for case in CT]
    assert (
        max(float((a - b).abs().max()) for a, b in zip(clipped(CT), clipped(unmarked), strict=True))
        > 1e-4
    )


@pytest.mark.parametrize("unit", ["slice", "patient"])
def test_a_private_round_goes_with_a_teacher(tmp_path: Path, unit: str) -> None:
    dp = {"noise_multiplier": 0.5, "max_grad_norm": 0.5, "sampling_rate": 1.0, "unit": unit}
    result = one_round(tmp_path, CT, number=1, dp_sgd=dp, **TAUGHT)
    assert np.isfinite(result.loss)
    assert result.privacy is not None
