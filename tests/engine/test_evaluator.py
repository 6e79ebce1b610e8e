"""Whole-volume evaluation with a network whose answer is known: a threshold on the image."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from fedgin.data.prepare import PreparedCase
from fedgin.engine.evaluator import Aborted, CaseDice, Evaluation, evaluate, segment
from fedgin.settings import ResolvedSettings, make_settings

CPU = torch.device("cpu")
PATCH = {2: [32, 32], 3: [16, 32, 32]}
VOLUMES = {
    "larger than the patch": (21, 45, 70),
    "smaller than the patch": (5, 20, 17),
    "mixed": (18, 20, 50),
}


class Threshold(nn.Module):
    """Class 1 where the image is above zero."""

    def __init__(self) -> None:
        super().__init__()
        self.modes: list[bool] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.modes.append(self.training)
        return torch.cat([-images, images], dim=1)


def settings(dims: int = 2, **more: object) -> ResolvedSettings:
    return make_settings(
        task="heart", spatial_dims=dims, patch_size=PATCH[dims], channels=[4, 8], **more
    )


def make_case(shape: tuple[int, int, int], number: int = 0, site: str = "a") -> PreparedCase:
    generator = np.random.default_rng(number)
    image = generator.normal(size=shape).astype(np.float16)
    image[image == 0] = 1
    truth = (image > 0) ^ (generator.random(shape) < 0.2 + 0.2 * number)
    return PreparedCase(
        name=f"case-{number}",
        patient=f"p{number}",
        site=site,
        modality="CT" if site == "a" else "MR",
        image=image,
        label=truth.astype(np.uint8),
        foreground=np.zeros((0, 4), dtype=np.int32),
        spacing=(1.0, 1.0, 1.0),
    )


def direct_dice(case: PreparedCase) -> float:
    prediction, truth = case.image > 0, case.label == 1
    return 2 * float((prediction & truth).sum()) / float(prediction.sum() + truth.sum())


@pytest.mark.parametrize("shape", VOLUMES.values(), ids=VOLUMES)
@pytest.mark.parametrize("dims", [2, 3])
def test_dice_is_that_of_the_whole_volume(dims: int, shape: tuple[int, int, int]) -> None:
    case = make_case(shape)
    found = evaluate(Threshold(), [case], settings=settings(dims), device=CPU)
    assert found.class_names == ("heart",)
    assert found.mean() == pytest.approx(direct_dice(case), abs=1e-12)


@pytest.mark.parametrize("shape", VOLUMES.values(), ids=VOLUMES)
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_every_voxel_is_segmented_in_its_place(
    dims: int, shape: tuple[int, int, int], overlap: float
) -> None:
    case = make_case(shape)
    classes = segment(Threshold(), case.image, settings=settings(dims, overlap=overlap), device=CPU)
    assert classes.dtype == np.uint8
    assert np.array_equal(classes, case.image > 0)


def test_the_number_of_windows_in_a_pass_changes_nothing() -> None:
    case = make_case((9, 45, 70))
    found = [
        segment(Threshold(), case.image, settings=settings(window_batch=n), device=CPU)
        for n in (1, 7, 64)
    ]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_patients_count_alike_whatever_their_size() -> None:
    cases = [make_case((20, 40, 40), 0), make_case((4, 30, 30), 1), make_case((3, 16, 16), 2)]
    found = evaluate(Threshold(), cases, settings=settings(), device=CPU)
    per_patient = [direct_dice(case) for case in cases]
    assert [float(row.dice[0]) for row in found.cases] == pytest.approx(per_patient, abs=1e-12)
    assert found.mean() == pytest.approx(np.mean(per_patient), abs=1e-12)
    prediction = np.concatenate([(case.image > 0).ravel() for case in cases])
    truth = np.concatenate([case.label.ravel() == 1 for case in cases])
    pooled = 2 * float((prediction & truth).sum()) / float(prediction.sum() + truth.sum())
    assert abs(found.mean() - pooled) > 0.01


def test_rows_name_case_site_and_modality_in_order() -> None:
    cases = [make_case((3, 16, 16), 0, "a"), make_case((3, 16, 16), 1, "b")]
    found = evaluate(Threshold(), cases, settings=settings(), device=CPU)
    rows = [(row.case, row.site, row.modality) for row in found.cases]
    assert rows == [("case-0", "a", "CT"), ("case-1", "b", "MR")]
    assert found.of_site("b").mean() == pytest.approx(direct_dice(cases[1]), abs=1e-12)


def test_the_mean_over_classes_is_of_means_over_the_patients_that_have_the_class() -> None:
    table = [[0.8, math.nan], [0.6, 0.1], [math.nan, math.nan]]
    rows = [CaseDice(str(n), "a", "CT", np.array(dice)) for n, dice in enumerate(table)]
    found = Evaluation(("liver", "spleen"), rows)
    assert found.per_class() == pytest.approx({"liver": 0.7, "spleen": 0.1})
    assert found.mean() == pytest.approx(0.4)


def test_without_patients_the_dice_is_unknown() -> None:
    found = Evaluation(("liver", "spleen"))
    assert math.isnan(found.mean())
    assert all(math.isnan(value) for value in found.per_class().values())


def test_the_network_is_asked_in_eval_mode_and_goes_back_to_training() -> None:
    network = Threshold().train()
    evaluate(network, [make_case((3, 16, 16))], settings=settings(), device=CPU)
    assert network.training
    assert network.modes
    assert not any(network.modes)


def test_evaluation_stops_between_volumes_when_asked() -> None:
    network, answers = Threshold(), iter([False, True])
    cases = [make_case((2, 16, 16), number) for number in range(3)]
    with pytest.raises(Aborted):
        evaluate(network, cases, settings=settings(), device=CPU, should_stop=lambda: next(answers))
    assert len(network.modes) == 1


def test_the_image_is_untouched_and_may_be_read_only() -> None:
    case = make_case((3, 16, 16))
    kept = case.image.copy()
    case.image.setflags(write=False)
    segment(Threshold(), case.image, settings=settings(), device=CPU)
    assert np.array_equal(case.image, kept)
