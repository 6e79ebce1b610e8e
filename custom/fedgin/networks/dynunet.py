"""MONAI's DynUNet with every weight in its state once, and heads for deep supervision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from monai.networks.nets import DynUNet


class PlainDynUNet(nn.Module):
    """The blocks of a DynUNet, called level by level.

    MONAI's module lists most blocks twice, by name and nested in each other, and so its state holds
    most weights twice: messages would be twice as long, and a site's noise or clipping would meet
    two copies of one weight. Here each block stands once, under MONAI's own name; MONAI's module
    takes this state with `load_state_dict(state, strict=False)`.
    """

    def __init__(self, network: DynUNet, *, heads: int = 0) -> None:
        """Takes a DynUNet's blocks over; its weights stay what they are.

        Args:
            network: Built without deep supervision.
            heads: Decoder levels below the finest that are scored too while training.
        """
        super().__init__()
        self.input_block = network.input_block
        self.downsamples = network.downsamples
        self.bottleneck = network.bottleneck
        self.upsamples = network.upsamples
        self.output_block = network.output_block
        self.deep_supervision_heads = nn.ModuleList(
            # Made after all others, so that these start alike with heads and without.
            [network.get_output_block(level + 1) for level in range(heads)]
        )
        self.deep_supervision_heads.apply(network.initialize_weights)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Scores a batch.

        Args:
            images: Shape (B, 1, *patch).

        Returns:
            Shape (B, classes, *patch); in training mode with heads a tuple of these scores and
            those of each coarser level, whose grid is that of the level: half the size and so on.
        """
        skips: list[Tensor] = []
        features = images
        for block in (self.input_block, *self.downsamples):
            features = block(features)
            skips.append(features)
        features = self.bottleneck(features)
        coarse: list[Tensor] = []
        for level, block in zip(reversed(range(len(skips))), self.upsamples, strict=True):
            features = block(features, skips[level])
            if self.training and 0 < level <= len(self.deep_supervision_heads):
                coarse.append(self.deep_supervision_heads[level - 1](features))
        scores: Tensor = self.output_block(features)
        return (scores, *reversed(coarse)) if coarse else scores


def supervised_levels(channels: Sequence[int]) -> int:
    """Returns how many decoder levels below the finest deep supervision scores.

    As nnU-Net does, all but the coarsest; at least one.

    Args:
        channels: Feature channels of the network's levels, three or more.
    """
    return max(1, len(channels) - 3)
