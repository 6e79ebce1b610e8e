"""What federating costs: the Dice of federated training as a share of centralized training."""

from __future__ import annotations

from typing import Any

from fedgin.study.arms import Arm, Measurements
from fedgin.study.estimates import estimate_ratio
from fedgin.study.patients import paired_means
from fedgin.study.rows import MODALITIES, Row

# Range that the abstract of arXiv 2602.20773 states for federated / centralized.
PAPER_BAND = (0.93, 0.98)
CENTRALIZED = Arm("centralized", "")


def ratio_table(measurements: Measurements, classes: list[str]) -> list[dict[str, Any]]:
    """Computes mean federated Dice / mean centralized Dice.

    Both means are over the same patients and seeds; the interval resamples patients, both of a
    patient's numbers together.

    Args:
        measurements: The study's rows.
        classes: The task's structures.

    Returns:
        One entry per federated arm, augmentation that both regimes ran, population ("training
        sites" or "unseen hospitals"), test modality ("all" for both) and class ("mean" is the mean
        over classes): n, mean federated (`first`) and centralized (`second`) Dice, the ratio and
        its interval, and the
        number of seeds that both ran.
    """
    entries = []
    for arm in (arm for arm in measurements.arms() if arm.regime == "federated"):
        for augmentation in measurements.augmentations(arm):
            for population in ("training sites", "unseen hospitals"):
                for modality in (*MODALITIES, "all"):
                    for name in ("mean", *(classes if len(classes) > 1 else ())):
                        federated, centralized = (
                            measurements.select(
                                one,
                                augmentation,
                                population=population,
                                modality=None if modality == "all" else modality,
                                class_name=None if name == "mean" else name,
                            )
                            for one in (arm, CENTRALIZED)
                        )
                        pairs = paired_means(federated, centralized)
                        if pairs.patients:
                            entries.append(
                                {
                                    "algorithm": arm.algorithm,
                                    "arm": arm.label,
                                    "augmentation": augmentation,
                                    "population": population,
                                    "modality": modality,
                                    "class": name,
                                    "seeds": len(_seeds(federated) & _seeds(centralized)),
                                    **estimate_ratio(pairs.first, pairs.second),
                                }
                            )
    return entries


def _seeds(rows: list[Row]) -> set[int]:
    return {row.seed for row in rows}
