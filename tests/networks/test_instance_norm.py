"""Instance normalization by groups: torch's own layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fedgin.networks.instance_norm import InstanceNorm2d, InstanceNorm3d


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize(
    ("kind", "reference", "shape"),
    [
        (InstanceNorm2d, nn.InstanceNorm2d, (3, 5, 7, 6)),
        (InstanceNorm3d, nn.InstanceNorm3d, (2, 4, 3, 6, 5)),
    ],
)
def test_values_and_gradients_are_torch_s(
    kind: type[nn.Module], reference: type[nn.Module], shape: tuple[int, ...], affine: bool
) -> None:
    torch.manual_seed(1)
    layers = [kind(shape[1], affine=affine).double(), reference(shape[1], affine=affine).double()]
    features = torch.randn(shape, dtype=torch.float64) * 3 + 2
    if affine:
        values = torch.randn(2, shape[1], dtype=torch.float64)
        for layer in layers:
            layer.load_state_dict({"weight": values[0], "bias": values[1]})
    inputs = [features.clone().requires_grad_() for _ in layers]
    outputs = [layer(one) for layer, one in zip(layers, inputs, strict=True)]
    torch.testing.assert_close(*outputs, rtol=1e-12, atol=1e-12)
    for output in outputs:
        (output**3).sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, rtol=1e-9, atol=1e-9)
    assert isinstance(layers[0], reference)
