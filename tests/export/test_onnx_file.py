"""ONNX in onnxruntime gives the model's scores, for any batch and size that the network takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from fedgin.export.model import ExportModel, plain_network
from fedgin.export.onnx_file import INTERFACE_KEY, OPSET, onnx_bytes, onnx_runner
from fedgin.export.parity import compare, probes

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def check(model: ExportModel) -> bytes:
    network, inputs = plain_network(model), probes(model)
    content = onnx_bytes(network, inputs[0], interface="{}")
    patch = model.settings.geometry.patch_size
    sizes = [step * (5 + 2 * axis) for axis, step in enumerate(model.architecture.factors)]
    more = [torch.randn(1, 1, *patch), torch.randn(3, 1, *sizes)]
    found = compare("onnx", onnx_runner(content), model=model, inputs=[*inputs, *more])
    assert found.max_abs_difference <= 3e-5
    return content


def test_a_2d_network_and_what_its_file_says(unet: ExportModel) -> None:
    content = check(unet)
    model = onnx.load_from_string(content)
    assert [(item.domain, item.version) for item in model.opset_import] == [("", OPSET)]
    assert {item.key: item.value for item in model.metadata_props}[INTERFACE_KEY] == "{}"
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (image,), (scores,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.shape) == ("image", ["batch", 1, "y", "x"])
    assert scores.name == "scores"
    assert scores.shape[:2] == ["batch", 2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["batch", "dynunet", "unet 3D", "dynunet 3D", "thick slices"])
def test_every_network(load_model: Callable[[str], ExportModel], name: str) -> None:
    check(load_model(name))
