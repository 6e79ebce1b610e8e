"""One picture per validation: image, truth and prediction side by side."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fedgin.data.prepare import PreparedCase
from fedgin.engine.evaluator import segment
from fedgin.engine.trainer import Trainer
from fedgin.engine.weights import set_weights
from fedgin.files import write_atomically

OPACITY = 0.5
SCALE = 2


def save_picture(
    trainer: Trainer, weights: Mapping[str, np.ndarray], case: PreparedCase, *, file: Path
) -> np.ndarray:
    """Draws the axial slice with most of the structures, and saves it as PNG.

    Args:
        trainer: Brings network, settings and device.
        weights: Weights to predict with.
        case: The case to draw.
        file: The PNG file; its folder is made, readable by the user alone: it shows a patient.

    Returns:
        Shape (3, height, width), uint8, RGB.
    """
    set_weights(trainer.network, weights)
    truth = np.asarray(case.label)
    index = int(np.count_nonzero(truth, axis=(1, 2)).argmax())
    region = slice(index, index + 1)
    if trainer.settings.training.spatial_dims == 3:
        region = slice(0, truth.shape[0])  # a 3D network needs the volume around the slice
    prediction = segment(
        trainer.network,
        case.image[region],
        settings=trainer.settings,
        device=trainer.device,
        windows=trainer.windows,
    )
    prediction = prediction[index - region.start]
    picture = compose(np.asarray(case.image[index]), truth[index], prediction)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(file, encode_png(picture))
    return picture


def compose(image: np.ndarray, truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Puts a slice, the slice with the truth and the slice with the prediction side by side.

    Args:
        image: Shape (Y, X), any intensities.
        truth: Shape (Y, X), class indices.
        prediction: Shape (Y, X), class indices.

    Returns:
        Shape (3, height, width), uint8, RGB; seen from the feet, the patient's right on the left.
    """
    low, high = np.percentile(image.astype(np.float32), (1, 99))
    gray = np.clip((image.astype(np.float32) - low) / max(high - low, 1e-6), 0, 1)
    panels = [gray[..., None].repeat(3, axis=2)]
    for classes in (truth, prediction):
        panel = panels[0].copy()
        for index in np.unique(classes[classes > 0]):
            mask = classes == index
            colour = np.array(colorsys.hsv_to_rgb((int(index) * 0.381966) % 1.0, 0.9, 1.0))
            panel[mask] = (1 - OPACITY) * panel[mask] + OPACITY * colour
        panels.append(panel)
    # Rows run to the front and columns to the right of the patient: flip both for the usual view.
    joined = np.concatenate([panel[::-1, ::-1] for panel in panels], axis=1)
    enlarged = joined.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
    return (enlarged * 255).round().astype(np.uint8).transpose(2, 0, 1)


def encode_png(picture: np.ndarray) -> bytes:
    """Encodes an RGB picture of shape (3, height, width) as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0))).save(buffer, format="PNG")
    return buffer.getvalue()
