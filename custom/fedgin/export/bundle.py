"""Writing a model as a MONAI bundle, which MONAI's own command runs without fedgin."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fedgin.errors import Problem
from fedgin.export.bundle_config import CHECKPOINT, inference_config
from fedgin.export.bundle_metadata import bundle_metadata
from fedgin.export.card_files import card_markdown
from fedgin.export.folder import write_json, write_text
from fedgin.export.formats import ExportError
from fedgin.export.model import ExportModel
from fedgin.files import SHARED, write_atomically

BUNDLE_FOLDER = "bundle"
METADATA = "configs/metadata.json"
INFERENCE = "configs/inference.json"

README = """\
# How to run this bundle

After `pip install monai nibabel pytorch-ignite fire` (made with MONAI {monai}), in this folder:

```
python -m monai.bundle run --config_file {first} --meta_file {metadata} \\
  --dataset_dir /path/to/scans --output_dir /path/to/results
```

It reads every .nii and .nii.gz file in the folder of scans and writes NAME_seg.nii.gz, class
indices on the scan's own grid: {classes}. {others}

A file may hold one volume of one modality. Nothing looks at whether a scan is of that modality, or
like those that the model was trained on.

"""


def bundle_modalities(model: ExportModel) -> tuple[str, ...]:
    """Returns the modalities of the card's sites, in alphabetical order.

    Raises:
        ExportError: The card names none.
    """
    sites = model.card.sites.values()
    found = tuple(sorted({facts.modality for facts in sites if facts.modality is not None}))
    if not found:
        raise ExportError(
            Problem(
                model.where,
                "a bundle prepares scans as their modality wants it, which the card must name",
                "no site with a modality",
                "leave bundle out of --formats",
            )
        )
    return found


def write_bundle(folder: Path, model: ExportModel, network: nn.Module) -> None:
    """Writes a bundle's files.

    Args:
        folder: A new folder for them.
        model: The model.
        network: The network of MONAI's parts, with the model's weights.

    Raises:
        ExportError: The card names no modality.
    """
    modalities = bundle_modalities(model)
    for name in ("configs", "models", "docs"):
        (folder / name).mkdir(parents=True)
    configs = {
        config_file(modality): inference_config(
            model.settings, model.architecture, modality=modality
        )
        for modality in modalities
    }
    for name, config in configs.items():
        write_json(folder / name, config)
    write_json(folder / INFERENCE, configs[config_file(modalities[0])])
    write_json(folder / METADATA, bundle_metadata(model, modalities=modalities))
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    write_atomically(folder / CHECKPOINT, functools.partial(torch.save, state), mode=SHARED)
    write_text(folder / "docs/README.md", _readme(model, modalities) + card_markdown(model.card))


def bundle_network(folder: Path) -> nn.Module:
    """Builds the network of a bundle on disk as MONAI's command does, weights included."""
    from monai.bundle import ConfigParser

    from fedgin.engine.torch_file import load_torch

    parser = ConfigParser()
    parser.read_config(str(folder / INFERENCE))
    with torch.random.fork_rng(devices=[]):
        network: nn.Module = parser.get_parsed_content("network_def")
    network.load_state_dict(load_torch(folder / CHECKPOINT))
    return network.eval()


def config_file(modality: str) -> str:
    """Names the configuration of a modality."""
    return f"configs/inference_{modality.lower()}.json"


def _readme(model: ExportModel, modalities: Sequence[str]) -> str:
    import monai

    classes: list[Any] = ["background", *model.settings.task.class_names]
    others = " ".join(f"For {name} take {config_file(name)}." for name in modalities)
    return README.format(
        monai=monai.__version__,
        first=config_file(modalities[0]),
        metadata=METADATA,
        classes=", ".join(f"{index} {name}" for index, name in enumerate(classes)),
        others=others,
    )
