"""The comparison at export: it sees a wrong network, and inputs of more than one size."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from fedgin.export.formats import ExportError
from fedgin.export.model import ExportModel, plain_network
from fedgin.export.parity import LIMIT, compare, probes


def test_inputs_differ_in_batch_and_size_and_are_drawn_again_alike(unet: ExportModel) -> None:
    inputs = probes(unet)
    assert [tuple(images.shape) for images in inputs] == [(2, 1, 64, 16), (1, 1, 68, 24)]
    assert all(torch.equal(*pair) for pair in zip(inputs, probes(unet), strict=True))


def test_the_same_network_does_not_differ(unet: ExportModel) -> None:
    found = compare("same", plain_network(unet), model=unet, inputs=probes(unet))
    assert found.max_abs_difference <= 1e-5


def test_a_changed_weight_is_seen(unet: ExportModel) -> None:
    network = copy.deepcopy(unet.network)
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] += 0.01
    with pytest.raises(ExportError, match=r"model.ts: exported, it must give"):
        compare("model.ts", network, model=unet, inputs=probes(unet))


def test_the_limit_is_that_of_the_largest_difference(unet: ExportModel) -> None:
    def off_by(value: float) -> Tensor:
        def scores(images: Tensor) -> Tensor:
            found = unet.network(images).clone()
            found.view(-1)[5] += value
            return found

        return compare("off", scores, model=unet, inputs=probes(unet)).max_abs_difference

    assert off_by(LIMIT / 2) == pytest.approx(LIMIT / 2, rel=0.02)
    for value in (2 * LIMIT, float("nan"), float("inf")):
        with pytest.raises(ExportError):
            off_by(value)


def test_other_shapes_are_refused(unet: ExportModel) -> None:
    with pytest.raises(ExportError, match="scores of shape"):
        compare("cut", lambda x: unet.network(x)[..., :-1], model=unet, inputs=probes(unet))
