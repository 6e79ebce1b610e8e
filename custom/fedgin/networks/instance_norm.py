"""Instance normalization by torch's group normalization: the same formula in half the time.

With as many groups as channels both compute (x - mean) / sqrt(variance + eps) over the voxels of
one channel of one sample. torch computes instance normalization as a batch normalization of
reshaped features, which on two CPU cores took 10 to 13 % of a whole training step longer.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import group_norm


class InstanceNorm2d(nn.InstanceNorm2d):
    """`torch.nn.InstanceNorm2d` without running statistics, faster."""

    def forward(self, features: Tensor) -> Tensor:
        """Normalizes features of shape (B, channels, Y, X)."""
        # TorchScript takes neither a shared function of two classes nor a mixin: written twice.
        return group_norm(features, self.num_features, self.weight, self.bias, self.eps)


class InstanceNorm3d(nn.InstanceNorm3d):
    """`torch.nn.InstanceNorm3d` without running statistics, faster."""

    def forward(self, features: Tensor) -> Tensor:
        """Normalizes features of shape (B, channels, Z, Y, X)."""
        return group_norm(features, self.num_features, self.weight, self.bias, self.eps)
