"""Dual-Normalization: two sets of batch normalization, chosen at test time by their statistics.

Source: Zhou et al., "Generalizable Cross-modality Medical Image Segmentation via Style Augmentation
and Dual Normalization", CVPR 2022 (arXiv 2112.11177).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from fedgin.errors import ConfigError, Problem
from fedgin.networks.normalization import normalization_layers

SETS = ("similar", "dissimilar")
BATCH_NORM: dict[int, type[_BatchNorm]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


class DualNorm(nn.Module):
    """Two batch normalization layers: the first half of a batch meets one, the second the other.

    In evaluation mode each half is normalized by its own statistics, as in training and as the
    released code does: the stored ones choose a set, they do not normalize. (Normalized by stored
    statistics the features of another modality are far off, and the method fails.)

    Attributes:
        sets: The layers, "similar" and "dissimilar".
        distance: After a pass in evaluation mode, shape (2,): how far each half's statistics lie
            from those stored in the layer that it met; None else.
    """

    def __init__(self, features: int, *, dims: int) -> None:
        """Builds both layers.

        Args:
            features: Number of channels.
            dims: Spatial dimensions, 2 or 3.
        """
        super().__init__()
        self.sets = nn.ModuleDict({name: BATCH_NORM[dims](features) for name in SETS})
        self.distance: Tensor | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Normalizes a batch of shape (2B, C, *spatial), half by half.

        Raises:
            ValueError: The batch cannot be halved.
        """
        if images.shape[0] % 2:
            raise ValueError(f"a batch of two halves is needed, not of {images.shape[0]} samples")
        halves = images.chunk(2)
        layers = [cast(_BatchNorm, self.sets[name]) for name in SETS]
        if self.training:
            self.distance = None
            return torch.cat([layer(half) for half, layer in zip(halves, layers, strict=True)])
        pairs = list(zip(halves, layers, strict=True))
        self.distance = torch.stack([distance(half, layer) for half, layer in pairs])
        return torch.cat([_normalize(half, layer) for half, layer in pairs])


def _normalize(images: Tensor, layer: _BatchNorm) -> Tensor:
    """Normalizes a batch by its own statistics and leaves the stored ones alone."""
    return functional.batch_norm(
        images, None, None, layer.weight, layer.bias, training=True, eps=layer.eps
    )


def distance(images: Tensor, layer: _BatchNorm) -> Tensor:
    """Measures how far a batch's statistics lie from a layer's stored ones.

    ||mean(x) - stored mean|| + ||var(x) - stored var||, Euclidean over channels, as the released
    code does.

    Args:
        images: Shape (B, C, *spatial), input of the layer.
        layer: The layer.

    Returns:
        A scalar, float32.
    """
    stored_mean, stored_var = layer.running_mean, layer.running_var
    if stored_mean is None or stored_var is None:
        raise ValueError("the layer keeps no statistics")
    values = images.transpose(0, 1).flatten(1).float()
    # Stored variances are unbiased; a single value has none.
    var, mean = torch.var_mean(values, dim=1, correction=1 if values.shape[1] > 1 else 0)
    return (mean - stored_mean).norm() + (var - stored_var).norm()


class DualNormNetwork(nn.Module):
    """A network with DualNorm layers behind the interface of one without: images in, scores out.

    In training mode a batch holds two views, (2B, 1, *patch): the first half like the site's own
    images, the second unlike them. In evaluation mode a batch is any (B, 1, *patch): it goes
    through both sets and keeps the scores of the set that is nearer, by the sum of the distances
    over all layers. The batch is what the network is given: in sliding window inference some
    windows of one volume, so that a prediction depends on `window_batch` but on no other patient.
    """

    def __init__(self, network: nn.Module, *, dims: int) -> None:
        """Puts a DualNorm in place of every normalization layer.

        Args:
            network: The network to change.
            dims: Spatial dimensions, 2 or 3.

        Raises:
            ConfigError: The network has none, or one of another kind than batch and instance.
        """
        super().__init__()
        layers = list(normalization_layers(network))
        if not layers or not all(isinstance(layer, _NormBase) for _, layer in layers):
            raise ConfigError(
                Problem(
                    "key 'augmentation'",
                    "dual_normalization needs a network with batch or instance normalization",
                    f"{sorted({type(layer).__name__ for _, layer in layers})}",
                    "choose network unet or dynunet",
                )
            )
        for name, layer in layers:
            parent, _, last = name.rpartition(".")
            dual = DualNorm(cast(_NormBase, layer).num_features, dims=dims)
            setattr(network.get_submodule(parent), last, dual)
        self.network = network

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Scores a batch; see the class.

        Args:
            images: Shape (2B, 1, *patch) in training mode, (B, 1, *patch) in evaluation mode.

        Returns:
            Shape (2B or B, classes, *patch); in training mode what the network returns.
        """
        if self.training:
            return cast(Tensor | tuple[Tensor, ...], self.network(images))
        first, second = self.network(torch.cat([images, images])).chunk(2)
        similar, dissimilar = self._distances()
        return torch.where(similar <= dissimilar, first, second)

    def _distances(self) -> Tensor:
        """Adds up and forgets what the layers measured; shape (2,)."""
        found = []
        for layer in self.network.modules():
            if isinstance(layer, DualNorm) and layer.distance is not None:
                found.append(layer.distance)
                layer.distance = None
        return torch.stack(found).sum(dim=0)
