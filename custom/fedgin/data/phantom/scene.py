"""A scene: ordered layers of tissue in a deformed patient, painted onto a grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fedgin.data.phantom.fields import RandomField
from fedgin.data.phantom.grid import Grid
from fedgin.data.phantom.shapes import Shape


@dataclass(frozen=True, eq=False)
class Layer:
    """One solid of one tissue, painted over what lies below it.

    Attributes:
        tissue: Key of the tissue tables.
        shape: The solid in anatomical coordinates.
        label: Label written inside the solid; None leaves the labels as they are.
    """

    tissue: str
    shape: Shape
    label: int | None = 0


@dataclass(frozen=True, eq=False)
class Scene:
    """An anatomy ready to be painted.

    Attributes:
        layers: Layers from the back to the front.
        fields: Named random fields and named distances that the shapes refer to.
        deformation: Three fields, the displacement in mm along each axis.
        strength: Root mean square of each displacement component, mm.
    """

    layers: Sequence[Layer]
    fields: Mapping[str, RandomField | Shape]
    deformation: tuple[RandomField, RandomField, RandomField]
    strength: float


class _FieldStore:
    """Evaluates each named field once per grid, when first asked for."""

    def __init__(self, scene: Scene, grid: Grid) -> None:
        self._fields = scene.fields
        self._grid = grid
        self._done: dict[str, np.ndarray] = {}
        axes = [np.arange(n, dtype=np.float32) for n in grid.shape]
        i, j, k = np.ix_(*axes)
        matrix = grid.affine.astype(np.float32)
        coordinates = []
        for axis, wave in enumerate(scene.deformation):
            place = matrix[axis, 0] * i + matrix[axis, 1] * j + matrix[axis, 2] * k
            shift = wave.on_grid(grid) * np.float32(scene.strength)
            coordinates.append(place + matrix[axis, 3] + shift)
        self.points = _Points(self, coordinates, (slice(None),) * 3)

    def _near(self, shape: Shape) -> np.ndarray:
        """The distance to a shape inside its box, a large constant elsewhere."""
        out = np.full(self._grid.shape, 2 * _REACH, np.float32)
        box = _index_box(shape, self._grid, _REACH)
        if box is not None:
            out[box] = shape.distance(self.points.crop(box))
        return out

    def full(self, name: str) -> np.ndarray:
        """The named field on the whole grid."""
        if name not in self._done:
            source = self._fields[name]
            if isinstance(source, RandomField):
                self._done[name] = source.on_grid(self._grid)
            else:
                self._done[name] = self._near(source)
        return self._done[name]


# Named distances are worked out up to this many mm from the shape and are constant beyond:
# combinations look no further.
_REACH = 30.0


class _Points:
    """The points of a box of the grid."""

    def __init__(
        self, store: _FieldStore, xyz: Sequence[np.ndarray], box: tuple[slice, ...]
    ) -> None:
        self.x, self.y, self.z = xyz
        self._store = store
        self._box = box

    def field(self, name: str) -> np.ndarray:
        """The named field at these points."""
        return self._store.full(name)[self._box]

    def crop(self, box: tuple[slice, ...]) -> _Points:
        """The points of a smaller box."""
        return _Points(self._store, [self.x[box], self.y[box], self.z[box]], box)


def _index_box(shape: Shape, grid: Grid, margin: float) -> tuple[slice, ...] | None:
    """Index ranges that hold a shape and a margin in mm, None when off the grid."""
    low, high = shape.low - margin, shape.high + margin
    corners = np.array(np.meshgrid(*zip(low, high, strict=True), indexing="ij")).reshape(3, -1)
    inverse = np.linalg.inv(grid.affine)
    indices = inverse[:3, :3] @ corners + inverse[:3, 3:]
    first = np.clip(np.floor(indices.min(1)), 0, grid.shape).astype(int)
    last = np.clip(np.ceil(indices.max(1)) + 1, 0, grid.shape).astype(int)
    if np.any(low > high) or np.any(last <= first):
        return None
    return tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))


Paint = Callable[[str, tuple[slice, ...]], "np.ndarray | np.float32"]


def paint(scene: Scene, grid: Grid, value: Paint) -> tuple[np.ndarray, np.ndarray]:
    """Paints a scene.

    Partial volume: a voxel takes the share of a layer that a linear ramp across about one
    voxel gives, so that borders and thin structures mix as they do in a scanner.

    Args:
        scene: The anatomy.
        grid: Where to sample it.
        value: Returns the signal of a tissue in a box of the grid.

    Returns:
        The noiseless image, float32, and the labels, uint8.
    """
    store = _FieldStore(scene, grid)
    ramp = np.float32(1.05 * np.cbrt(np.prod(grid.spacing)))
    margin = 3.0 * scene.strength + 1.5 * float(ramp)
    image = np.zeros(grid.shape, np.float32)
    image += value("air", (slice(None),) * 3)
    label = np.zeros(grid.shape, np.uint8)
    for layer in scene.layers:
        box = _index_box(layer.shape, grid, margin)
        if box is None:
            continue
        distance = layer.shape.distance(store.points.crop(box))
        share = np.clip(np.float32(0.5) - distance / ramp, 0, 1)
        part = image[box]
        part += share * (value(layer.tissue, box) - part)
        if layer.label is not None:
            label[box][distance < 0] = layer.label
    return image, label
