"""What a reader must know to judge the numbers, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedgin.study.arms import Arm
from fedgin.study.bootstrap import RESAMPLES


def convention_texts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Writes the conventions of a study as terms and texts.

    Args:
        record: The study's record.
    """
    return [
        (
            "Dice",
            "Per patient in 3D, per class, on the task's grid, from 0 to 1. No patients are pooled "
            "before a ratio is taken.",
        ),
        (
            "HD95",
            "95th percentile of the distances between the two surfaces, in mm, the larger of both "
            "directions; voxel spacing is always taken into account.",
        ),
        (
            "Normalised surface Dice",
            f"Share of both surfaces that lie within {record['tolerance_mm']:g} mm of each other.",
        ),
        (
            "Missed and invented structures",
            "A structure in the truth only (missed) or in the prediction only (invented) counts "
            "with the worst value: Dice 0, surface Dice 0, HD95 the diagonal of the image in mm. "
            "None is dropped.",
        ),
        (
            "Absent and not annotated structures",
            "A structure in neither truth nor prediction, or one that the site does not annotate, "
            "has no value and is never 0. Where GIN alone invents an absent structure, the mean "
            "over classes of that patient carries its 0.",
        ),
        (
            "Mean over classes and patients",
            "Each patient's number is the mean over classes with a value, then over the runs that "
            "were tested on the patient (seeds and training sites); means, medians and tests are "
            "over patients.",
        ),
        (
            "Intervals",
            f"95 % percentile bootstrap over patients ({RESAMPLES:,} resamples; pairs and ratios "
            "resample both numbers of a patient together). They say what other patients of these "
            "sites could have given, not what other trainings or sites could; with few patients "
            "they are too short. A single patient has no interval.",
        ),
        (
            "Tests",
            "Wilcoxon's signed-rank test over the same patients, two-sided; Holm's correction over "
            "no augmentation and the rivals of one way of training and one set of test patients. "
            "GIN's own variants are a family of their own. A difference counts as shown only where "
            "interval and corrected test agree.",
        ),
        ("Seeds", _seeds(record)),
        (
            "Model that is measured",
            "The model after the last round: choosing one by validation "
            "would need patients of a modality that a training site may not have.",
        ),
        ("Equal training", _steps(record)),
        *_local_layers(record),
    ]


def _seeds(record: Mapping[str, Any]) -> str:
    seeds = record["seeds"]
    text = f"Seeds of the trainings: {', '.join(map(str, seeds))}."
    if len(seeds) == 1:
        return f"{text} One seed: no spread."
    return f"{text} Spread over seeds is the standard deviation (n - 1) of the seeds' means."


def _steps(record: Mapping[str, Any]) -> str:
    """Says from the runs themselves whether federated and centralized training were equal."""
    text = (
        f"{record['rounds']} rounds and {record['steps_per_site']} optimizer steps per training "
        "site; a model of several sites gets the sum."
    )
    steps: dict[str, set[int]] = {}
    for run in record["runs"]:
        if run["status"] == "done" and run["regime"] in ("centralized", "federated"):
            label = Arm(run["regime"], run["algorithm"]).label
            steps.setdefault(label, set()).add(run["steps"])
    if len(steps) < 2:
        return text
    found = ", ".join(f"{name} {_numbers(values)}" for name, values in steps.items())
    every = set().union(*steps.values())
    verdict = "equal" if len(every) == 1 else "NOT equal"
    return f"{text} Optimizer steps in total, as the runs counted them: {found}: {verdict}."


def _local_layers(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Says with whose normalization layers the models of fedbn are measured, where there are any.

    The rule is that of `fedgin.engine.objectives.LocalNormalization`.
    """
    regimes = {run["regime"] for run in record["runs"] if run["algorithm"] == "fedbn"}
    if not regimes:
        return []
    text = (
        "Normalization layers stay at the sites. A training site is measured with the layers of "
        "its own last round in place of the averaged ones. An unseen hospital has none of its own "
        "and is measured with the global model as it is, which holds the weighted average of the "
        "sites' layers: no number of an unseen hospital is from a site's own layers."
    )
    if "fine-tuned" in regimes:
        text += " Fine-tuning starts from the global model, the averaged layers included."
    return [("Layers that stay at a site (fedbn)", text)]


def _numbers(values: set[int]) -> str:
    return " and ".join(f"{value:,}" for value in sorted(values))
