"""Whole-volume validation: sliding window, Dice per patient and class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from fedgin.data.pages import give_back_pages
from fedgin.data.prepare import PreparedCase
from fedgin.engine.sliding_window import slide_windows
from fedgin.engine.windows import WindowBatch
from fedgin.metrics.case_scores import ClassScore, score_case
from fedgin.metrics.dice import dice_per_class
from fedgin.networks.dual_norm import DualNorm
from fedgin.settings import ResolvedSettings
from fedgin.sites.pseudonyms import patient_hash


class Aborted(Exception):
    """The work was stopped between two steps because someone asked for it."""


@dataclass(frozen=True)
class CaseDice:
    """One patient's Dice.

    Attributes:
        case: Name of the case.
        site: Name of the site.
        modality: "CT" or "MR".
        dice: Shape (classes without background,); nan where a class is in neither volume, or where
            the site does not annotate it.
        patient: Hash that stands for the patient.
        scores: Dice, HD95 and NSD by class with their status; empty where only Dice was asked for.
    """

    case: str
    site: str
    modality: str
    dice: np.ndarray
    patient: str = ""
    scores: tuple[ClassScore, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """Dice of a model on a set of patients.

    Attributes:
        class_names: Names of the classes.
        cases: One row per patient.
    """

    class_names: tuple[str, ...]
    cases: list[CaseDice] = field(default_factory=list)

    def per_class(self) -> dict[str, float]:
        """Returns the mean over patients by class; nan where no patient has the class."""
        table = np.array([case.dice for case in self.cases]).reshape(-1, len(self.class_names))
        return {
            name: float(column[~np.isnan(column)].mean()) if (~np.isnan(column)).any() else np.nan
            for name, column in zip(self.class_names, table.T, strict=True)
        }

    def patients_per_class(self) -> dict[str, int]:
        """Returns by class the number of patients with a Dice; their scans count once."""
        return {
            name: len(
                {
                    (case.site, case.patient or case.case)
                    for case in self.cases
                    if not np.isnan(case.dice[index])
                }
            )
            for index, name in enumerate(self.class_names)
        }

    def mean(self) -> float:
        """Returns the mean over classes of the means over patients; nan without any patient."""
        values = [value for value in self.per_class().values() if not np.isnan(value)]
        return float(np.mean(values)) if values else float("nan")

    def of_site(self, site: str) -> Evaluation:
        """Returns the part that belongs to one site."""
        return Evaluation(self.class_names, [c for c in self.cases if c.site == site])


def evaluate(
    network: nn.Module,
    cases: Sequence[PreparedCase],
    *,
    settings: ResolvedSettings,
    device: torch.device,
    surfaces: bool = False,
    windows: WindowBatch | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Evaluation:
    """Segments whole volumes and compares them with their label maps on the task's grid.

    Args:
        network: The network, on the device.
        cases: Prepared cases.
        settings: Settings of the run.
        device: The device.
        surfaces: Whether to measure distances of surfaces too, which takes longer than Dice.
        windows: As for `segment`; by default one for all cases.
        should_stop: Asked between volumes.

    Raises:
        Aborted: `should_stop` said so.
        OutOfMemory: Not even one window fits the device.
    """
    windows = windows or WindowBatch(settings.training.window_batch)
    rows = []
    for case in cases:
        if should_stop():
            raise Aborted
        prediction = segment(network, case.image, settings=settings, device=device, windows=windows)
        rows.append(_measure(prediction, case, settings=settings, surfaces=surfaces))
        give_back_pages(case.image, case.label)
    return Evaluation(class_names=settings.task.class_names, cases=rows)


def _measure(
    prediction: np.ndarray, case: PreparedCase, *, settings: ResolvedSettings, surfaces: bool
) -> CaseDice:
    names, truth = settings.task.class_names, np.asarray(case.label)
    annotated = [name for name in names if name not in case.not_annotated]
    dice = dice_per_class(prediction, truth, n_classes=settings.task.n_classes)
    dice[[name in case.not_annotated for name in names]] = np.nan
    scores: list[ClassScore] = []
    if surfaces:
        scores = score_case(
            prediction,
            truth,
            class_names=names,
            spacing=case.spacing,
            tolerance_mm=settings.tolerance_mm,
            annotated=annotated,
        )
    return CaseDice(
        case=case.name,
        site=case.site,
        modality=case.modality,
        dice=dice,
        patient=case.code or patient_hash(case.site, case.patient),
        scores=tuple(scores),
    )


@torch.inference_mode()
def segment(
    network: nn.Module,
    image: np.ndarray,
    *,
    settings: ResolvedSettings,
    device: torch.device,
    windows: WindowBatch | None = None,
) -> np.ndarray:
    """Segments one prepared volume.

    Args:
        network: The network, on the device.
        image: Shape (Z, Y, X), normalised.
        settings: Settings of the run.
        device: The device.
        windows: Windows of a forward pass, fewer after a volume for which memory ran out; by
            default the settings' number.

    Returns:
        Class indices, uint8, shape (Z, Y, X).

    Raises:
        OutOfMemory: Not even one window fits the device.
    """
    scores = class_scores(network, image, settings=settings, device=device, windows=windows)
    # The indices of `max` are those of `argmax`, found ten times as fast on the CPU.
    return scores.max(dim=1).indices.to(torch.uint8).cpu().numpy()


@torch.inference_mode()
def class_scores(
    network: nn.Module,
    image: np.ndarray,
    *,
    settings: ResolvedSettings,
    device: torch.device,
    windows: WindowBatch | None = None,
    padding: float | None = None,
) -> Tensor:
    """Scores every voxel of a prepared volume, or of some of its slices.

    Args:
        network: As for `segment`.
        image: As for `segment`.
        settings: As for `segment`.
        device: As for `segment`.
        windows: As for `segment`.
        padding: Intensity around a volume smaller than the patch; by default its lowest. Slices of
            a volume need the volume's.

    Returns:
        Shape (Z, classes, Y, X), float32, on the device; the background is class 0.

    Raises:
        OutOfMemory: Not even one window fits the device.
    """
    windows = windows or WindowBatch(settings.training.window_batch)
    padding = float(image.min()) if padding is None else padding
    was_training = network.training
    network.eval()
    try:
        return windows.run(
            lambda size: _score(
                network, image, settings=settings, device=device, size=size, padding=padding
            ),
            device=device,
        )
    finally:
        network.train(was_training)


def _score(
    network: nn.Module,
    image: np.ndarray,
    *,
    settings: ResolvedSettings,
    device: torch.device,
    size: int,
    padding: float,
) -> Tensor:
    training = settings.training
    volume = torch.from_numpy(np.array(image, dtype=np.float32)).to(device)
    # In 2D the slices are the batch; in 3D there is one volume.
    batch = volume[:, None] if training.spatial_dims == 2 else volume[None, None]
    with torch.autocast(device.type, dtype=torch.float16, enabled=device.type == "cuda"):
        scores = slide_windows(
            batch,
            network=network,
            window=settings.geometry.patch_size,
            overlap=training.overlap,
            at_once=size,
            padding=padding,
            threads=_passes_at_once(network, device),
        )
    return scores if training.spatial_dims == 2 else scores[0].transpose(0, 1)


def _passes_at_once(network: nn.Module, device: torch.device) -> int:
    """One for each CPU thread, unless windows of a pass depend on each other."""
    if device.type != "cpu" or any(isinstance(layer, DualNorm) for layer in network.modules()):
        return 1
    return torch.get_num_threads()
