"""GIN row by row: the results of torch's operations, however rows are dealt out to threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from fedgin.augment.gin import Gin
from fedgin.augment.gin_rows import PAYS_FROM, augment_by_rows, rows_pay
from fedgin.augment.gin_tensors import augment_by_tensors


@pytest.fixture(params=[1, 2, 5])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("kernels", [(1,), (3,), (5,), (1, 3)])
@pytest.mark.parametrize(
    "shape",
    [
        (3, 1, 12, 9),
        (2, 3, 7, 8),
        (2, 1, 1, 1),
        (2, 1, 3, 2),
        (2, 1, 6, 7, 5),
        (1, 2, 4, 3, 9),
        (3, 1, 1, 2, 3),
    ],
)
@pytest.mark.usefixtures("threads")
def test_the_results_are_those_of_torch(shape: tuple[int, ...], kernels: tuple[int, ...]) -> None:
    gin, source = Gin(kernel_sizes=kernels), torch.Generator().manual_seed(len(shape))
    images = torch.randn(shape, generator=source)
    for _ in range(4):
        draw = gin.draw(shape, generator=source)
        expected = augment_by_tensors(images, draw).numpy()
        assert_allclose(
            augment_by_rows(images, draw), expected, rtol=0, atol=1e-5 * np.abs(expected).max()
        )


def test_images_in_any_order_of_memory_are_taken_and_kept() -> None:
    images = torch.randn(2, 1, 9, 8).transpose(2, 3)
    before = images.clone()
    draw = Gin().draw(images.shape, generator=torch.Generator().manual_seed(0))
    found = augment_by_rows(images, draw)
    assert torch.equal(images, before)
    torch.testing.assert_close(found, augment_by_tensors(images.contiguous(), draw))


def test_a_large_batch_goes_row_by_row_and_gives_the_same() -> None:
    images = torch.randn(2, 1, 512, 512)
    assert images.numel() >= PAYS_FROM
    gin, points = Gin(probability=0.5, kernel_sizes=(3,)), Gin(kernel_sizes=(1,))
    draw = gin.draw(images.shape, generator=torch.Generator().manual_seed(3))
    assert rows_pay(images, draw)
    assert not rows_pay(images[:, :, :64], draw)
    products = points.draw(images.shape, generator=torch.Generator().manual_seed(3))
    assert not rows_pay(images, products)
    assert draw.applied.any()
    found = gin.apply(images, draw)
    for sample, applied in enumerate(draw.applied.tolist()):
        alone = augment_by_tensors(images[sample : sample + 1], draw.select(torch.tensor([sample])))
        expected = alone if applied else images[sample : sample + 1]
        torch.testing.assert_close(found[sample : sample + 1], expected, rtol=1e-5, atol=1e-5)
