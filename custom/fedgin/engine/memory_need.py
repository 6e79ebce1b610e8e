"""How much memory training and validation need, from the settings alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fedgin.augment.views import build_views
from fedgin.engine.peak_memory import PeakMemory
from fedgin.losses import build_loss
from fedgin.losses.views import ViewLoss
from fedgin.networks import build_network
from fedgin.settings import ResolvedSettings

META = torch.device("meta")
ADAMW_COPIES = 2
"""AdamW keeps a first and a second moment of every parameter."""
VOLUME_ARRAYS = 3
"""Whole arrays beside the scores in validation: the volume, its padded copy, the window weights."""
INDEX_BYTES = 8


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that training and validation need on their device, in single precision.

    Mixed precision on CUDA needs less; workspaces of convolutions come on top.

    Attributes:
        weights: The network's state.
        optimizer: AdamW's moments.
        batch: A step's images and labels.
        step: The most that forward pass, loss and backward pass hold at a time, gradients included.
        validation: The most that a whole volume's scores and a pass of its windows hold.
    """

    weights: int
    optimizer: int
    batch: int
    step: int
    validation: int

    @property
    def training(self) -> int:
        """Bytes of a training step."""
        return self.weights + self.optimizer + self.batch + self.step

    @property
    def total(self) -> int:
        """Bytes of the more demanding of both."""
        return max(self.training, self.weights + self.validation)


def memory_need(settings: ResolvedSettings, *, largest_volume: int = 0) -> MemoryNeed:
    """Counts the bytes of a training step and of a validation, without any data or device.

    Args:
        settings: Settings of the run.
        largest_volume: Voxels of the largest prepared volume; at least a patch's are counted.

    Raises:
        ConfigError: The settings do not fit each other.
    """
    network = build_network(settings).to(META)
    images, labels = _batch(settings)
    patch = images[0].numel()
    return MemoryNeed(
        weights=_bytes(list(network.state_dict().values())),
        optimizer=ADAMW_COPIES * _bytes(list(network.parameters())),
        batch=_bytes([images, labels]),
        step=_step_peak(network, settings, images, labels),
        validation=_validation_peak(network, settings, max(largest_volume, patch)),
    )


def _batch(settings: ResolvedSettings) -> tuple[Tensor, Tensor]:
    count, patch = settings.geometry.batch_size, settings.geometry.patch_size
    views = build_views(settings.training).count
    images = torch.zeros((views * count, 1, *patch), device=META)
    return images, torch.zeros((count, 1, *patch), dtype=torch.uint8, device=META)


def _step_peak(
    network: nn.Module, settings: ResolvedSettings, images: Tensor, labels: Tensor
) -> int:
    views = build_views(settings.training)
    loss = ViewLoss(build_loss(), supervised=views.supervised, consistency=views.consistency)
    network.train()
    with PeakMemory() as memory:
        value: Tensor = loss(network(images).float(), labels)
        value.backward()
    network.zero_grad(set_to_none=True)
    return memory.peak


@torch.no_grad()
def _validation_peak(network: nn.Module, settings: ResolvedSettings, voxels: int) -> int:
    patch = settings.geometry.patch_size
    windows = torch.zeros((settings.training.window_batch, 1, *patch), device=META)
    network.eval()
    with PeakMemory() as memory:
        network(windows)
    element = windows.element_size()
    volume = voxels * (element * (settings.task.n_classes + VOLUME_ARRAYS) + INDEX_BYTES)
    return memory.peak + _bytes([windows]) + volume


def _bytes(tensors: Sequence[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
