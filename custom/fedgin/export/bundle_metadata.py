"""A MONAI bundle's metadata.json, after MONAI's bundle specification.

MONAI's parser takes a text that begins with `$`, `@` or `%` for code, a reference or a file to
read. No text here begins with a word of the card, and none of the card's is a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedgin.export.card_files import plain
from fedgin.export.model import ExportModel

SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
    "meta_schema_20240725.json"
)
FORMAT_VERSION = "1.0.0"


def bundle_metadata(model: ExportModel, *, modalities: Sequence[str]) -> dict[str, Any]:
    """Writes the metadata of a model's bundle.

    Args:
        model: The model.
        modalities: Those for which the bundle has a configuration.
    """
    import monai
    import nibabel
    import numpy as np
    import torch
    from monai.utils import IgniteInfo

    card, task = model.card, model.settings.task
    names = ", ".join(name.replace("_", " ") for name in task.class_names)
    scans = " and ".join(modalities)
    channels = {str(k): name for k, name in enumerate(("background", *task.class_names))}
    shape = _spatial_shape(model.architecture.factors)
    return {
        "schema": SCHEMA,
        "version": FORMAT_VERSION,
        "changelog": {FORMAT_VERSION: f"Exported from released model {card.weights.sha256[:16]}"},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.split("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {
            "nibabel": nibabel.__version__,
            "pytorch-ignite": IgniteInfo.OPT_IMPORT_VERSION,
        },
        "name": f"fedgin {task.name} {card.weights.sha256[:16]}",
        "task": f"Segmentation of {names} in {scans} volumes",
        "description": f"A model of fedgin: {plain(card.title)}",
        "authors": f"Sites: {plain(', '.join(card.sites))}",
        "copyright": "Not stated by the model's card",
        "data_type": "nibabel",
        "image_classes": "Intensities, single channel, normalised by modality: see preprocessing",
        "pred_classes": f"Classes in the order of the channels: background, {names}",
        "eval_metrics": _metrics(card.modalities),
        "intended_use": "Use: " + " ".join(plain(text) for text in card.intended_use),
        "limits": "Limits: " + " ".join(plain(text) for text in card.limits),
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "magnitude",
                    "modality": ", ".join(modalities),
                    "num_channels": 1,
                    "spatial_shape": shape,
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": True,
                    "channel_def": {"0": "image"},
                }
            },
            "outputs": {
                "pred": {
                    "type": "image",
                    "format": "segmentation",
                    "num_channels": len(channels),
                    "spatial_shape": shape,
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": True,
                    "channel_def": channels,
                }
            },
        },
    }


def _spatial_shape(factors: Sequence[int]) -> list[str]:
    """Writes the sizes that the network takes; `p` and `n` are the letters that MONAI knows."""
    return [f"{step}*({letter}+1)" for step, letter in zip(factors, "pnn", strict=False)]


def _metrics(modalities: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"test_mean_dice_{modality}": facts.test_dice
        for modality, facts in modalities.items()
        if facts.test_dice is not None and modality in ("CT", "MR")
    }
