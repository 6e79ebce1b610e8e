"""What a card says in sentences: what a model is for, and what its numbers do not say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fedgin.release.card import SiteFacts
from fedgin.settings import ResolvedSettings


def intended_use(settings: ResolvedSettings, sites: Mapping[str, SiteFacts]) -> tuple[str, ...]:
    """Says what a model is for."""
    classes = ", ".join(name.replace("_", " ") for name in settings.task.class_names)
    kinds = sorted({facts.modality for facts in sites.values() if facts.modality})
    scans = " and ".join(kinds) or "CT and MR"
    return (
        f"Research on the segmentation of {classes} in {scans} volumes.",
        "Start of another federated run, or measurement at a site that had no part in it.",
    )


def limits(settings: ResolvedSettings, sites: Mapping[str, SiteFacts]) -> tuple[str, ...]:
    """Says what a model is not for, and what its numbers leave open."""
    training = settings.training
    spacing = ", ".join(
        f"{axis} {'as scanned' if size is None else f'{size:g} mm'}"
        for axis, size in zip("xyz", settings.geometry.spacing, strict=True)
    )
    sentences = [
        "It is no medical device and must not be used for diagnosis or treatment.",
        "It knows only scans like those of the sites listed; measure it at any other site before "
        "use.",
        f"Its Dice is measured on the task's grid ({spacing}), not on the voxels as scanned.",
        "Dice of few patients says little: see the number of cases beside it.",
    ]
    if training.algorithm == "fedbn":
        sentences.append(
            "Each site kept normalization layers of its own: its Dice is that of its own layers, "
            "and these weights hold their average."
        )
    if training.normalization == "batch" or training.augmentation == "dual_normalization":
        sentences.append("Its normalization statistics are those of the training sites' scans.")
    return (*sentences, *_never_seen(settings, sites))


def _never_seen(settings: ResolvedSettings, sites: Mapping[str, SiteFacts]) -> Iterator[str]:
    """Says which structures no site of a modality annotates: nobody knows the Dice there."""
    for modality in sorted({facts.modality for facts in sites.values() if facts.modality}):
        lacking = [f.not_annotated or () for f in sites.values() if f.modality == modality]
        names = [
            name.replace("_", " ")
            for name in settings.task.class_names
            if all(name in names for names in lacking)
        ]
        if names:
            yield (
                f"No {modality} site annotated {', '.join(names)}: there they come from what other "
                "sites taught, and were never measured."
            )
