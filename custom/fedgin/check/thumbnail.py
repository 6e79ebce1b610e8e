"""A case at a glance: three slices through the middle of its structures, with contours."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np

from fedgin.data.preprocess import to_ras
from fedgin.data.volume import LabelledVolume

PANEL = 160
"""Edge of a panel in pixels; the slice fits in, with square millimetres."""
QUALITY = 80
CT_WINDOW_HU = (-160.0, 240.0)
"""A usual window for soft tissue."""
MR_PERCENTILES = (1.0, 99.0)
Colours = Mapping[int, tuple[int, int, int]]


def draw_thumbnail(pair: LabelledVolume, *, colours: Colours, modality: str) -> bytes:
    """Draws an axial, a coronal and a sagittal slice side by side.

    Axial and coronal slices show the patient's right on the left, as radiologists look at them;
    front and head are up; in the sagittal one the front is on the left.

    Args:
        pair: Image and label map. Of another shape than the image, the map is left out.
        colours: RGB of the label values to draw.
        modality: "CT" or "MR".

    Returns:
        A JPEG of three panels of `PANEL` x `PANEL` pixels.
    """
    from PIL import Image

    image, label = to_ras(pair.image), to_ras(pair.label)
    drawn = colours if label.array.shape == image.array.shape else {}
    middle = _middle(label.array, drawn) if drawn else tuple(n // 2 for n in image.array.shape)
    sheet = np.zeros((PANEL, 3 * PANEL, 3), dtype=np.uint8)
    for column, axis in enumerate((2, 1, 0)):
        spacing = [size for other, size in enumerate(image.spacing) if other != axis]
        # Rows from the top, columns from the left: both axes of the slice run against RAS.
        plane = np.take(image.array, middle[axis], axis=axis).T[::-1, ::-1]
        rows, columns = _places(plane.shape, spacing[1], spacing[0])
        panel = np.repeat(_grey(plane, modality)[rows][:, columns, None], 3, axis=2)
        if drawn:
            labels = np.take(label.array, middle[axis], axis=axis).T[::-1, ::-1]
            _draw_contours(panel, labels[rows][:, columns], drawn)
        top, left = (PANEL - panel.shape[0]) // 2, (PANEL - panel.shape[1]) // 2
        left += column * PANEL
        sheet[top : top + panel.shape[0], left : left + panel.shape[1]] = panel
    target = io.BytesIO()
    # Full colour resolution: contours are one pixel wide.
    Image.fromarray(sheet).save(target, format="JPEG", quality=QUALITY, subsampling=0)
    return target.getvalue()


def _middle(label: np.ndarray, colours: Colours) -> tuple[int, ...]:
    """Finds, along each axis, the slice with most voxels to draw; the volume's middle without."""
    wanted = np.zeros(int(max(label.max(), *colours)) + 1, dtype=bool)
    wanted[list(colours)] = True
    mask = wanted[label]
    found = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        counts = np.count_nonzero(mask, axis=others)
        found.append(int(counts.argmax()) if counts.any() else label.shape[axis] // 2)
    return tuple(found)


def _places(
    shape: tuple[int, ...], row_mm: float, column_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Picks the nearest row and column for each pixel of a panel."""
    height, width = shape[0] * row_mm, shape[1] * column_mm
    scale = PANEL / max(height, width)
    counts = (max(1, round(height * scale)), max(1, round(width * scale)))
    rows, columns = (
        np.minimum(((np.arange(count) + 0.5) * size / count).astype(int), size - 1)
        for count, size in zip(counts, shape, strict=True)
    )
    return rows, columns


def _grey(plane: np.ndarray, modality: str) -> np.ndarray:
    low, high = CT_WINDOW_HU if modality == "CT" else np.percentile(plane, MR_PERCENTILES)
    scaled = (plane - low) * (255 / max(float(high - low), 1e-6))
    return np.clip(scaled, 0, 255).astype(np.uint8)


def _draw_contours(panel: np.ndarray, labels: np.ndarray, colours: Colours) -> None:
    """Colours the pixels of a structure that border on another value or on the panel's edge."""
    padded = np.pad(labels, 1)
    centre = padded[1:-1, 1:-1]
    border = np.zeros(labels.shape, dtype=bool)
    for neighbour in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        border |= neighbour != centre
    for value in np.unique(labels[border]):
        if (colour := colours.get(int(value))) is not None:
            panel[border & (labels == value)] = colour
