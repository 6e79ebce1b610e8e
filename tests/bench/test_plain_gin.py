"""The plain GIN that the benchmark is held against computes what ours does."""

from __future__ import annotations

import pytest
import torch

from fedgin.augment.gin import Gin
from fedgin.bench.plain_gin import plain_gin


@pytest.mark.parametrize("shape", [(3, 1, 12, 10), (2, 2, 5, 6, 7)])
def test_it_gives_the_same_for_the_same_draw(shape: tuple[int, ...]) -> None:
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    gin, source = Gin(), torch.Generator().manual_seed(1)
    for _ in range(6):
        draw = gin.draw(shape, generator=source)
        found = plain_gin(
            images,
            weights=[layer.weight for layer in draw.layers],
            biases=[layer.bias for layer in draw.layers],
            alpha=draw.alpha,
        )
        torch.testing.assert_close(gin.apply(images, draw), found, rtol=1e-5, atol=1e-5)
