"""What goes into an exported network and what comes out, in values that a program can read."""

from __future__ import annotations

from typing import Any

import fedgin
from fedgin.export.model import ExportModel
from fedgin.package import package_hash, package_root

AXES = {2: ("y", "x"), 3: ("z", "y", "x")}


def describe_interface(model: ExportModel) -> dict[str, Any]:
    """Describes the network's tensors, the way from a scan to them, and the sliding window."""
    settings = model.settings
    training, geometry = settings.training, settings.geometry
    axes, factors = AXES[training.spatial_dims], model.architecture.factors
    low, high = settings.ct_window
    classes = ["background", *settings.task.class_names]
    return {
        "format": 1,
        "model_sha256": model.card.weights.sha256,
        "exported_by": {"fedgin": fedgin.__version__, "package": package_hash(package_root())},
        "input": {
            "name": "image",
            "dtype": "float32",
            "shape": ["batch", 1, *axes],
            "multiple_of": dict(zip(axes, factors, strict=True)),
            "at_least": {axis: 2 * f for axis, f in zip(axes, factors, strict=True)},
            "axes": {"x": "to the patient's right", "y": "to the front", "z": "to the head"},
        },
        "output": {
            "name": "scores",
            "dtype": "float32",
            "shape": ["batch", len(classes), *axes],
            "meaning": "scores before softmax; a voxel's class is the index of the largest",
            "classes": classes,
        },
        "preprocessing": {
            "orientation": "RAS",
            "spacing_mm": dict(zip("xyz", geometry.spacing, strict=True)),
            "interpolation": "linear; the outer faces of the volume stay where they are",
            "CT": {"clip_hu": [low, high], "map_to": [-1, 1]},
            "MR": {
                "clip_above_percentile": settings.mr_percentile,
                "then": "mean 0 and standard deviation 1 over the volume",
            },
            "rounded_to": "float16",
        },
        "sliding_window": {
            "size": list(geometry.patch_size),
            "overlap": training.overlap,
            "blending": "gaussian, sigma 0.125 of the size",
            "padding": "the volume's least value",
        },
        "softmax_included": False,
    }
