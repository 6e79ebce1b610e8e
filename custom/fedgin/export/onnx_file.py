"""A network as ONNX, and the run of such a file."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fedgin.export.interface import AXES

ONNX_FILE = "model.onnx"
OPSET = 18
"""The operator set that torch's exporter writes of its own; nothing is converted afterwards."""
INTERFACE_KEY = "fedgin_io"
CHATTY = ("torch.onnx", "onnxscript", "onnx_ir")


def onnx_bytes(network: nn.Module, images: Tensor, *, interface: str) -> bytes:
    """Translates a network.

    Args:
        network: In evaluation mode.
        images: An input, shape (B, 1, *spatial) with B above 1; all sizes but the channel's stay
            free.
        interface: The text of io.json, which goes into the file's metadata.

    Returns:
        The file's bytes: one input `image`, one output `scores`, operator set 18.
    """
    import onnx

    axes = {0: "batch", **dict(enumerate(AXES[images.ndim - 2], start=2))}
    with _quiet():
        program = torch.onnx.export(
            network,
            (images,),
            input_names=["image"],
            output_names=["scores"],
            dynamic_shapes=(axes,),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise TypeError("torch's exporter returned no program")
    model = program.model_proto
    onnx.helper.set_model_props(model, {INTERFACE_KEY: interface})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def onnx_runner(content: bytes) -> Callable[[Tensor], Tensor]:
    """Opens a file's bytes in onnxruntime, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(["scores"], {"image": images.numpy()})[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides what the exporter says of each of its steps and of its own future."""
    loggers = [logging.getLogger(name) for name in CHATTY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
