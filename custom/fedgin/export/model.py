"""The model to export: read, checked against its card, and built."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

import fedgin
from fedgin.engine.weights import set_weights
from fedgin.errors import Problem
from fedgin.networks import build_network
from fedgin.networks.architecture import Architecture, architecture
from fedgin.package import package_hash, package_root
from fedgin.release.card import MODEL_FILE, ModelCard, ReleaseError
from fedgin.release.fit import check_fit
from fedgin.release.model_file import ReleasedModel, read_release
from fedgin.settings import ResolvedSettings

logger = logging.getLogger(__name__)

TORCH_SUFFIXES = (".pt", ".pth", ".ckpt")


@dataclass(frozen=True)
class ExportModel:
    """A released model with the network that it belongs to.

    Attributes:
        where: Where it was read.
        released: Card, weights and the weights file's bytes.
        settings: The card's settings, resolved.
        network: fedgin's network with these weights, in evaluation mode, on the CPU.
    """

    where: str
    released: ReleasedModel
    settings: ResolvedSettings
    network: nn.Module

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self.released.card

    @property
    def architecture(self) -> Architecture:
        """The network as MONAI builds it."""
        return architecture(self.settings)


def read_model(path: Path) -> ExportModel:
    """Reads a released model and builds its network.

    Raises:
        ConfigError: The card breaks the schema, or names a task that is not known.
        ReleaseError: A file is missing, damaged or of another kind, or card, weights and task do
            not belong together.
        WeightsError: The arrays are not those of the network that the card describes.
    """
    _refuse_cardless(path)
    released = read_release(path)
    settings = released.card.settings.resolve()
    check_fit(released, settings, where=str(path), own=True)
    if released.card.package_sha256 != package_hash(package_root()):
        logger.warning(
            "%s was trained by fedgin %s, hash %s; the preprocessing written is that of fedgin %s "
            "here",
            path,
            released.card.fedgin_version,
            released.card.package_sha256[:16],
            fedgin.__version__,
        )
    network = build_network(settings)
    set_weights(network, released.weights)
    return ExportModel(str(path), released, settings, network.eval())


def plain_network(model: ExportModel) -> nn.Module:
    """Builds the network from MONAI's parts alone, with the model's weights.

    Where fedgin's state holds each array once, MONAI's may hold it under several names. Whether the
    two compute the same is measured; see `fedgin.export.parity`.

    Returns:
        The network in evaluation mode, on the CPU.
    """
    with torch.random.fork_rng(devices=[]):
        network = model.architecture.build()
    network.load_state_dict(
        {name: torch.from_numpy(array.copy()) for name, array in model.released.weights.items()},
        strict=False,
    )
    return network.eval()


def _refuse_cardless(path: Path) -> None:
    """Refuses what training without a federation leaves, by what it lacks."""
    bare = path.suffix in TORCH_SUFFIXES
    inside = [] if not path.is_dir() or (path / MODEL_FILE).is_file() else path.glob("*_model.pt")
    found = str(path) if bare else ", ".join(sorted(file.name for file in inside))
    if found:
        raise ReleaseError(
            Problem(
                str(path),
                f"a model is exported with its card: {MODEL_FILE} with model_card.json beside it",
                f"{found}, weights without a word on task, settings, data or results",
                "name the release folder that a federated run or `fedgin train` leaves",
            )
        )
