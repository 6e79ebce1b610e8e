"""The thorax around the heart: lungs, mediastinum, diaphragm and chest wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedgin.data.phantom.combine import common, cut, offset, outside, threads, uneven, union
from fedgin.data.phantom.fields import RandomField
from fedgin.data.phantom.heart import HeartDraw, build_heart, draw_heart
from fedgin.data.phantom.scene import Layer, Scene
from fedgin.data.phantom.shapes import Shape, ellipsoid, everywhere, tube
from fedgin.data.phantom.torso import (
    TorsoDraw,
    draw_torso,
    keep,
    kept,
    rib_layers,
    spine_layers,
    torso_fields,
    wall_layers,
)


@dataclass(frozen=True)
class ThoraxDraw:
    """A thorax; lengths in mm.

    Attributes:
        torso: The trunk.
        heart: The heart.
        dome: Height of the right, middle and left top of the diaphragm.
        breast: Thickness of breast tissue in front of the chest, 0 for none.
        pleural_fat: Thickness of fat along the mediastinum.
        strength: Root mean square of the deformation along each axis.
    """

    torso: TorsoDraw
    heart: HeartDraw
    dome: tuple[float, float, float]
    breast: float
    pleural_fat: float
    strength: float


def draw_thorax(rng: np.random.Generator) -> ThoraxDraw:
    """Draws a thorax."""
    torso, heart = draw_torso(rng, task="heart"), draw_heart(rng)
    floor = heart.base[2] - 57 * heart.scale + float(rng.normal(0, 3))
    return ThoraxDraw(
        torso=torso,
        heart=heart,
        dome=(floor + float(rng.uniform(5, 20)), floor, floor - float(rng.uniform(0, 14))),
        breast=float(rng.uniform(15, 38)) if rng.random() < 0.45 else 0.0,
        pleural_fat=float(rng.uniform(2, 9)),
        strength=float(rng.uniform(2.0, 3.6)),
    )


def _belly(d: ThoraxDraw) -> Shape:
    """Everything below the diaphragm."""
    right, middle, left = d.dome
    return uneven(
        union(
            ellipsoid((62, -5, right - 85), (80, 92, 85)),
            ellipsoid((0, 15, middle - 80), (95, 78, 80)),
            ellipsoid((-66, -5, left - 85), (72, 90, 85)),
            blend=16,
        ),
        wobble=1.5,
    )


def _belly_layers(d: ThoraxDraw, belly: Shape) -> list[Layer]:
    right, middle, left = d.dome
    liver = union(
        ellipsoid((66, 0, right - 85), (90, 95, 82)),
        ellipsoid((-8, 45, middle - 40), (52, 36, 36)),
        blend=25,
    )
    stomach = ellipsoid((-58, 15, left - 42), (34, 40, 38))
    gas = everywhere(lambda p: np.asarray(28 - p.y))
    spleen = ellipsoid((-92, -38, left - 48), (26, 40, 42))
    inner = offset(belly, -3)
    return [
        Layer("muscle", belly),
        Layer("fat", inner),
        Layer("liver", common(uneven(liver, wobble=1.5), offset(inner, -1))),
        Layer("spleen", common(uneven(spleen, wobble=1.0), offset(inner, -2))),
        Layer("bowel_wall", common(uneven(stomach, wobble=2.0), offset(inner, -2))),
        Layer(
            "stomach_content", common(uneven(offset(stomach, -4), wobble=2.0), offset(inner, -6))
        ),
        Layer("gas", common(uneven(offset(stomach, -4.5), wobble=2.0), offset(inner, -6), gas)),
    ]


def _airways(d: ThoraxDraw) -> tuple[Shape, list[Layer]]:
    x, y, z = d.heart.base
    fork = (x + 8, y - 37, z + 56)
    left = tube([fork, (x - 18, y - 46, z + 36), (x - 38, y - 50, z + 18)], [6.5, 5.5, 4])
    right = tube([fork, (x + 30, y - 46, z + 38), (x + 42, y - 50, z + 12)], [7.5, 6.5, 4.5])
    trachea = tube([fork, (x + 6, y - 30, z + 120)], [8.5, 8.5])
    parts = [left, right, trachea]
    layers = [Layer("vessel_wall", offset(part, 1.5)) for part in parts]
    return union(left, right, trachea), layers + [Layer("gas", part) for part in parts]


def build_thorax(draw: ThoraxDraw, rng: np.random.Generator) -> Scene:
    """Builds the scene of a thorax; `rng` draws the random fields."""
    t = draw.torso
    x, y, z = draw.heart.base
    bulges = [ellipsoid((side * 62, t.front - 8, 30), (58, 22, 90)) for side in (-1, 1)]
    bulges += [ellipsoid((side * (t.half_width - 8), -38, 0), (20, 44, 400)) for side in (-1, 1)]
    fields: dict[str, RandomField | Shape] = {
        "wobble": RandomField.draw(rng, (28, 70)),
        "ripple": RandomField.draw(rng, (12, 26)),
        "branch_a": RandomField.draw(rng, (30, 75), count=48),
        "branch_b": RandomField.draw(rng, (30, 75), count=48),
        **torso_fields(t, bulges),
    }
    heart = build_heart(draw.heart, fields)
    cage = kept(fields, "cage")
    belly = keep(fields, "belly", _belly(draw))
    airway, airway_layers = _airways(draw)
    gullet = tube(
        [(x - 2, y - 46, 130), (x, y - 46, 20), (x - 6, y - 44, -40), (x - 16, y - 32, -100)],
        [6, 6.5, 7, 8],
    )
    spine = ellipsoid((0, t.spine_y - 4, 0), (t.body_width + 3, t.body_depth + 9, 5000))
    front = ellipsoid((-6, t.front - 16, 20), (17, 30, 110))
    # Fat and nodes between the heart, the gullet and the spine: the heart does not float.
    rear = ellipsoid((x * 0.7, (y + t.spine_y) / 2 - 6, 10), (17, 42, 400))
    pad = ellipsoid((x + 20, t.front - 32, draw.dome[1] + 5), (48, 24, 18))
    sac = uneven(offset(heart.whole, draw.heart.fat * 0.6 + 2), wobble=draw.heart.fat * 0.25)
    hilum = union(
        offset(heart.vessels, draw.pleural_fat),
        offset(airway, draw.pleural_fat),
        offset(gullet, draw.pleural_fat * 0.6 + 1),
        blend=12,
    )
    middle = union(offset(sac, 1.5), hilum, spine, front, rear, pad, blend=14)
    middle = keep(fields, "mediastinum", middle)
    cavity = offset(cage, -8)
    lung = keep(fields, "lung_space", cut(cavity, middle, belly))
    vessels = threads("branch_a", "branch_b", radius=1.7, wavenumber=fields["branch_a"].wavenumber)  # type: ignore[union-attr]
    # Vessels fan out from the hila and thin towards the pleura.
    reach = union(*(ellipsoid((x + side * 52, y - 32, z + 5), (62, 70, 95)) for side in (-1, 1)))
    thick = everywhere(lambda p: vessels.distance(p) + np.clip(reach.distance(p) * 0.03, -1.0, 1.6))
    breast: list[Layer] = []
    if draw.breast > 0:
        for side in (-1, 1):
            mound = ellipsoid((side * 68, t.front + 6, 0), (60, draw.breast + 14, 62))
            gland = ellipsoid((side * 70, t.front + 14, -2), (34, draw.breast * 0.5, 34))
            breast += [
                Layer("skin", offset(mound, 2)),
                Layer("fat", mound),
                Layer("muscle", uneven(gland, ripple=4.0, wobble=2.0)),
            ]
    wall = wall_layers(t, fields)
    sternum = ellipsoid((0, t.front - 3, 15), (20, 6.5, 110))
    layers = [
        wall[0],
        *breast,
        *wall[1:],
        Layer("fat", offset(cage, -6.5)),
        Layer("lung", lung),
        Layer("blood_right", common(thick, offset(lung, -3))),
        *_belly_layers(draw, common(belly, cavity)),
        *rib_layers(t, fields),
        Layer("bone", sternum),
        Layer("marrow", offset(sternum, -1.5)),
        *spine_layers(t),
        Layer("vessel_wall", common(offset(sac, 1.2), outside(belly))),
        Layer("fat", common(sac, outside(belly))),
        Layer("oesophagus", gullet),
        *airway_layers,
        *heart.layers,
    ]
    waves = [RandomField.draw(rng, (110, 320), count=16) for _ in range(3)]
    return Scene(layers, fields, (waves[0], waves[1], waves[2]), draw.strength)
