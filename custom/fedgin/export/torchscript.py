"""A network as TorchScript, which runs without its Python code."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn

from fedgin.files import SHARED, write_atomically

TORCHSCRIPT_FILE = "model.ts"
INTERFACE_ENTRY = "io.json"


def compile_network(network: nn.Module) -> torch.jit.ScriptModule:
    """Compiles a network from its source, so that batch and patch may have any size it takes."""
    with warnings.catch_warnings():
        # Of annotations in MONAI's modules, which do no harm.
        warnings.filterwarnings("ignore", category=UserWarning)
        script: torch.jit.ScriptModule = torch.jit.script(network)
    return script


def write_torchscript(script: torch.jit.ScriptModule, path: Path, *, interface: str) -> None:
    """Writes a compiled network.

    Args:
        script: The network.
        path: The file.
        interface: The text of io.json, which goes into the file under that name.
    """
    extra = {INTERFACE_ENTRY: interface}
    write_atomically(
        path, lambda file: torch.jit.save(script, file, _extra_files=extra), mode=SHARED
    )
