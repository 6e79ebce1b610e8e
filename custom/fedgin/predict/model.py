"""A released model, ready to predict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from fedgin.engine.weights import set_weights
from fedgin.engine.windows import WindowBatch
from fedgin.errors import Problem
from fedgin.networks import build_network
from fedgin.release.card import ModelCard, ReleaseError
from fedgin.release.fit import check_fit
from fedgin.release.model_file import read_release
from fedgin.settings import ResolvedSettings


@dataclass(frozen=True)
class LoadedModel:
    """A network with a released model's weights.

    Attributes:
        name: The model's name: the start of its hash.
        card: Its card.
        settings: The settings that it was trained with.
        network: In evaluation mode, on the device.
        device: The device.
        windows: Windows of a forward pass; fewer once memory ran out.
    """

    name: str
    card: ModelCard
    settings: ResolvedSettings
    network: nn.Module
    device: torch.device
    windows: WindowBatch

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities of the scans that it was trained on, as far as its card knows."""
        sites = (facts.modality for facts in self.card.sites.values())
        return tuple(sorted({*self.card.modalities, *filter(None, sites)}))


def load_model(path: Path, *, device: torch.device, task: str | None = None) -> LoadedModel:
    """Reads a released model and builds its network.

    Args:
        path: The release folder, or the weights file with the card beside it.
        device: Where to predict.
        task: Name of the task that the user expects; None takes the model's.

    Raises:
        ConfigError: The card breaks the schema, or names an unknown task.
        ReleaseError: A file is missing or damaged, card and weights do not belong together, or the
            model is one of another task.
        WeightsError: The network of the card's settings has other arrays.
    """
    released = read_release(path)
    card = released.card
    problems = [
        Problem(
            str(path),
            f"the model must be one of task '{wanted}'{reason}",
            f"a model of task '{card.task}' ({', '.join(card.class_names)})",
            mend,
        )
        for wanted, reason, mend in (
            (task, ", as --task says", "name a model of that task, or leave --task out"),
            (card.settings.task, ", as its own settings say", "copy the release folder again"),
        )
        if wanted is not None and wanted != card.task
    ]
    if problems:
        raise ReleaseError(problems)
    settings = card.settings.resolve()
    check_fit(released, settings, where=str(path), own=True)
    network = build_network(settings)
    set_weights(network, released.weights)
    return LoadedModel(
        name=released.name,
        card=card,
        settings=settings,
        network=network.to(device).eval(),
        device=device,
        windows=WindowBatch(settings.training.window_batch),
    )
