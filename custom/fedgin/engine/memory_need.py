"""How much memory training and validation need, from the settings alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fedgin.augment.views import build_views
from fedgin.engine.peak_memory import PeakMemory
from fedgin.engine.teacher import build_teacher
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
WORKSPACE_SHARES = {2: 0.6, 3: 1.35}
"""What convolutions hold inside, as a share of a step, by dimensions.

Measured on the CPU with seven networks and patches, where oneDNN copies features to layouts of its
own; sums then were within 20 % of what processes took, but for 3D patches of 48 x 64 x 64
(0.7 of it). A GPU's need is measured, not estimated.
"""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that training and validation need on their device, in single precision.

    Mixed precision on CUDA needs less.

    Attributes:
        weights: The network's state; with distillation also the teacher's.
        optimizer: AdamW's moments.
        batch: A step's images and labels.
        step: The most that forward pass, loss and backward pass hold at a time, gradients included.
        workspace: What convolutions hold beside that while they run.
        validation: The most that a whole volume's scores and a pass of its windows hold.
    """

    weights: int
    optimizer: int
    batch: int
    step: int
    workspace: int
    validation: int

    @property
    def training(self) -> int:
        """Bytes of a training step."""
        return self.weights + self.optimizer + self.batch + self.step + self.workspace

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
    step = _step_peak(network, settings, images, labels)
    copies = 2 if settings.training.distillation.weight else 1
    return MemoryNeed(
        weights=copies * _bytes(list(network.state_dict().values())),
        optimizer=ADAMW_COPIES * _bytes(list(network.parameters())),
        batch=_bytes([images, labels]),
        step=step,
        workspace=int(WORKSPACE_SHARES[settings.training.spatial_dims] * step),
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
    loss: nn.Module = ViewLoss(
        build_loss(), supervised=views.supervised, consistency=views.consistency
    )
    context: dict[str, Tensor] = {}
    if settings.training.partial_labels == "marginal":
        shape = (len(labels), settings.task.n_classes)
        context["known"] = torch.zeros(shape, dtype=torch.bool, device=META)
    teacher = build_teacher(settings, supervised=views.supervised)
    if teacher:
        loss = teacher.wrap(loss)
        teacher.before_round(network, loss, round_number=1, rounds=2)
    network.train()
    with PeakMemory() as memory:
        scores = network(images)
        taught = teacher.scores(images, samples=len(labels)) if teacher else None
        if taught is not None:
            context["teacher"] = taught
        value: Tensor = loss(scores, labels, **context)
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
