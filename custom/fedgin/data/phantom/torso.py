"""The trunk shared by thorax and abdomen: skin, fat, muscle, rib cage and spine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedgin.data.phantom.combine import common, cut, offset, uneven, union
from fedgin.data.phantom.fields import RandomField
from fedgin.data.phantom.scene import Layer
from fedgin.data.phantom.shapes import (
    Points,
    Shape,
    column,
    ellipsoid,
    everywhere,
    half_space,
    named,
    oval,
)


@dataclass(frozen=True)
class TorsoDraw:
    """Size and make of a trunk; lengths in mm.

    Attributes:
        half_width: Outer half width of the rib cage.
        front: Distance of the rib cage's front from the axis.
        back: Distance of the rib cage's back from the axis.
        muscle: Thickness of the muscles on the cage.
        fat: Mean thickness of the subcutaneous fat.
        spine_y: Centre of the vertebral bodies.
        body_width: Half width of a vertebral body.
        body_depth: Half depth of a vertebral body.
        vertebra_pitch: Distance of one vertebra to the next.
        vertebra_phase: Height of one vertebra's middle.
        rib_pitch: Distance of one rib to the next.
        rib_phase: Height of one rib where y is 0.
        rib_slope: Fall of a rib per mm to the front.
        rib_floor: Height below which no rib reaches, at the side of the trunk.
        cortex: Apparent thickness of cortical bone.
    """

    half_width: float
    front: float
    back: float
    muscle: float
    fat: float
    spine_y: float
    body_width: float
    body_depth: float
    vertebra_pitch: float
    vertebra_phase: float
    rib_pitch: float
    rib_phase: float
    rib_slope: float
    rib_floor: float
    cortex: float


def draw_torso(rng: np.random.Generator, *, task: str) -> TorsoDraw:
    """Draws a trunk of adult size."""
    thorax = task == "heart"
    back = float(rng.normal(86, 4))
    return TorsoDraw(
        half_width=float(np.clip(rng.normal(128 if thorax else 131, 7), 114, 146)),
        front=float(np.clip(rng.normal(88 if thorax else 92, 5), 78, 104)),
        back=back,
        muscle=float(rng.uniform(7, 13) if thorax else rng.uniform(7, 12)),
        fat=float(np.clip(rng.lognormal(np.log(13 if thorax else 17), 0.4), 5, 28)),
        spine_y=float(28 - back + rng.normal(0, 2)),
        body_width=float(rng.normal(17 if thorax else 21, 1.2)),
        body_depth=float(rng.normal(14.5 if thorax else 16, 1)),
        vertebra_pitch=float(rng.normal(27 if thorax else 34, 1.5)),
        vertebra_phase=float(rng.uniform(0, 30)),
        rib_pitch=float(rng.normal(29, 2)),
        rib_phase=float(rng.uniform(0, 30)),
        rib_slope=float(rng.uniform(0.3, 0.55)),
        rib_floor=-1e4 if thorax else float(rng.uniform(-45, -10)),
        cortex=float(rng.uniform(1.3, 2.2)),
    )


Fields = dict[str, RandomField | Shape]


def keep(fields: Fields, name: str, shape: Shape) -> Shape:
    """Registers a shape as a named distance, worked out once per image."""
    fields[name] = shape
    return named(name, shape)


def kept(fields: Fields, name: str) -> Shape:
    """A shape registered before."""
    shape = fields[name]
    assert isinstance(shape, Shape)
    return named(name, shape)


def _wave(z: np.ndarray, pitch: float, phase: float) -> np.ndarray:
    """Signed distance along z to the nearest element of a periodic row, mm."""
    half = np.float32(pitch / 2)
    return np.asarray(np.mod(z - np.float32(phase) + half, np.float32(pitch)) - half)


def _ribs(t: TorsoDraw, rise: float, depth: float) -> Shape:
    """All ribs: elliptic bars in the cage, one per pitch, sloping down to the front."""

    def distance(p: Points) -> np.ndarray:
        fall = p.z + np.float32(t.rib_slope) * p.y
        z = _wave(fall, t.rib_pitch, t.rib_phase) / np.float32(np.hypot(1, t.rib_slope))
        r = p.field("cage") + np.float32(depth)
        k0 = np.sqrt((r / 3.6) ** 2 + (z / rise) ** 2)
        k1 = np.sqrt((r / 3.6**2) ** 2 + (z / rise**2) ** 2)
        return np.asarray(k0 * (k0 - 1) / np.maximum(k1, 1e-3))

    floor = half_space((0, 0, t.rib_floor), (0, 0.35, -1))
    return common(everywhere(distance), floor) if t.rib_floor > -1e3 else everywhere(distance)


def _vertebrae(t: TorsoDraw) -> Shape:
    """Bodies with a waist, neural arches, transverse and spinous processes."""
    canal = t.spine_y - t.body_depth - 9

    def distance(p: Points) -> np.ndarray:
        z = _wave(p.z, t.vertebra_pitch, t.vertebra_phase)
        level = np.abs(z) / np.float32(t.vertebra_pitch / 2)
        x, y = p.x, p.y - np.float32(t.spine_y)
        k = np.sqrt((x / t.body_width) ** 2 + (y / t.body_depth) ** 2)
        body = (k - 1) * np.float32(t.body_depth) + 2 * (1 - level * level) - 1
        y = p.y - np.float32(canal)
        ring = np.abs(np.sqrt(x * x + y * y) - 12) - 3
        ring = np.maximum(ring, np.abs(z + 3) - 10)
        back = np.maximum(np.abs(y + 24) - 13, np.abs(z + 6) - 7)
        spinous = np.maximum(np.abs(x) - 3, back)
        side = np.maximum(np.abs(np.abs(x) - 22) - 13, np.abs(y + 2 + 0.35 * np.abs(x) - 6) - 4)
        side = np.maximum(side, np.abs(z) - 7)
        return np.asarray(np.minimum(np.minimum(body, ring), np.minimum(spinous, side)))

    low = np.array([-40.0, canal - 40, -1e4])
    return Shape(distance, low, np.array([40.0, t.spine_y + t.body_depth + 3, 1e4]))


def _discs(t: TorsoDraw) -> Shape:
    plane = everywhere(
        lambda p: np.asarray(
            t.vertebra_pitch / 2 - 3.5 - np.abs(_wave(p.z, t.vertebra_pitch, t.vertebra_phase))
        )
    )
    disc = column((0, t.spine_y), (t.body_width + 1, t.body_depth + 1))
    return common(disc, plane)


def spine_layers(t: TorsoDraw) -> list[Layer]:
    """Muscles along the spine, vertebrae, discs and the canal."""
    canal = t.spine_y - t.body_depth - 9
    out = []
    for side in (-1, 1):
        erector = column((side * 31, canal - 16), (25, 16))
        deep = column((side * 13, canal - 20), (11, 14))
        out += [
            Layer("fat", uneven(offset(erector, 1.5), wobble=1.0)),
            Layer("muscle", uneven(cut(erector, deep, gap=1.0), wobble=1.0)),
            Layer("muscle", uneven(deep, wobble=1.0)),
        ]
    bone = uneven(_vertebrae(t), ripple=0.5)
    out += [
        Layer("bone", bone),
        Layer("marrow", offset(bone, -t.cortex)),
        Layer("disc", _discs(t)),
        Layer("csf", column((0, canal), (9, 8))),
        Layer("cord", column((0, canal), (5.5, 4))),
    ]
    return out


def torso_fields(t: TorsoDraw, bulges: list[Shape]) -> dict[str, Shape]:
    """Named distances: the rib cage, the muscle surface and the skin surface."""
    cage = oval(half_width=t.half_width, front=t.front, back=t.back)
    back = column((0, t.spine_y - t.body_depth - 21), (56, 23))
    wall = union(uneven(offset(named("cage", cage), t.muscle), wobble=1.5), back, *bulges, blend=25)

    def skin(p: Points) -> np.ndarray:
        # More fat at the flanks and the front than over the spine.
        share = 0.75 + 0.35 * np.clip(p.y / t.front, -0.5, 1) + 0.3 * np.abs(p.x) / t.half_width
        return np.asarray(p.field("wall") - np.float32(t.fat) * share.astype(np.float32))

    reach = np.array([1.4 * t.fat + 4, 1.4 * t.fat + 4, 0.0])
    bounded = Shape(skin, wall.low - reach, wall.high + reach)
    return {"cage": cage, "wall": wall, "skin": bounded}


def wall_layers(t: TorsoDraw, fields: Fields) -> list[Layer]:
    """Skin, subcutaneous fat and muscle, from outside to the rib cage."""
    skin, wall, cage = (kept(fields, name) for name in ("skin", "wall", "cage"))
    planes = common(wall, outside_band(t.muscle * 0.5, 0.8), offset(cage, 30))
    return [
        Layer("skin", skin),
        Layer("fat", offset(skin, -2)),
        Layer("muscle", wall),
        Layer("fat", planes),
    ]


def outside_band(height: float, half: float) -> Shape:
    """A thin uneven sheet at a height in mm above the cage: fat between muscle layers."""

    def distance(p: Points) -> np.ndarray:
        middle = p.field("cage") - np.float32(height) - 2 * p.field("wobble")
        return np.asarray(np.abs(middle) - np.float32(half) - 0.8 * p.field("ripple"))

    return everywhere(distance)


def rib_layers(t: TorsoDraw, fields: Fields) -> list[Layer]:
    """Ribs with marrow; the costal cartilage replaces bone next to the sternum."""
    front = keep(fields, "rib_front", ellipsoid((0, t.front, -20), (70, 60, 400)))
    ribs = keep(fields, "ribs", common(_ribs(t, 6.2, 4.0), kept(fields, "cage")))
    return [
        Layer("bone", cut(ribs, front)),
        Layer("marrow", cut(offset(ribs, -1.4), front)),
        Layer("cartilage", common(ribs, front)),
    ]
