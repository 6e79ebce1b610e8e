"""The abdomen: draw of its parameters and assembly of its layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedgin.data.phantom.combine import common, cut, offset, threads, uneven, union
from fedgin.data.phantom.fields import RandomField
from fedgin.data.phantom.gut import GutDraw, draw_gut, gut_layers
from fedgin.data.phantom.organ_draw import OrganDraw, draw_organs
from fedgin.data.phantom.organs import ABDOMEN_LABELS, build_organs
from fedgin.data.phantom.scene import Layer, Scene
from fedgin.data.phantom.shapes import Shape, ellipsoid, half_space, tube
from fedgin.data.phantom.torso import (
    Fields,
    TorsoDraw,
    draw_torso,
    keep,
    kept,
    rib_layers,
    spine_layers,
    torso_fields,
    wall_layers,
)

__all__ = ["ABDOMEN_LABELS", "AbdomenDraw", "build_abdomen", "draw_abdomen"]


@dataclass(frozen=True)
class AbdomenDraw:
    """An abdomen; lengths in mm.

    Attributes:
        torso: The trunk.
        organs: Solid organs and vessels.
        gut: Stomach and bowel.
        dome: Height of the right and left top of the diaphragm.
        strength: Root mean square of the deformation along each axis.
    """

    torso: TorsoDraw
    organs: OrganDraw
    gut: GutDraw
    dome: tuple[float, float]
    strength: float


def draw_abdomen(rng: np.random.Generator) -> AbdomenDraw:
    """Draws an abdomen."""
    right = float(rng.normal(84, 4))
    torso = draw_torso(rng, task="abdomen")
    return AbdomenDraw(
        torso=torso,
        organs=draw_organs(rng, torso),
        gut=draw_gut(rng),
        dome=(right, right - float(rng.uniform(4, 16))),
        strength=float(rng.uniform(2.5, 4.0)),
    )


def _below_diaphragm(d: AbdomenDraw) -> Shape:
    right, left = d.dome
    a, t = d.torso.half_width, d.torso
    domes = union(
        ellipsoid((50, -2, right - 78), (a - 36, t.back + 8, 78)),
        ellipsoid((-52, -4, left - 78), (a - 38, t.back + 8, 78)),
        ellipsoid((0, 12, right - 94), (a - 24, t.front - 2, 84)),
        blend=20,
    )
    low = half_space((0, 0, 5), (0, 0.35, 1))
    return uneven(union(domes, low, blend=20), wobble=1.5)


def _chest_layers(d: AbdomenDraw, fields: Fields, *, below: Shape, slope: float) -> list[Layer]:
    """Lung bases and the lowest part of the heart above the diaphragm."""
    t, top, cage = d.torso, d.dome[0], kept(fields, "cage")
    spine = ellipsoid((-4, t.spine_y + 4, 0), (t.body_width + 8, t.body_depth + 16, 5000))
    heart = ellipsoid((-28, 38, top + 22), (52, 40, 34))
    pad = ellipsoid((-20, 50, top - 2), (58, 34, 20))
    middle = union(offset(heart, 4), spine, pad, blend=15)
    gullet = tube([(-8, t.spine_y + 34, 140), (-16, t.spine_y + 38, 92), (-40, -8, 68)], [7, 7, 8])
    lung = keep(fields, "lung_space", cut(offset(cage, -8), middle, below))
    twigs = threads("twig_a", "twig_b", radius=1.3, wavenumber=slope)
    return [
        Layer("lung", lung),
        Layer("blood_right", common(twigs, offset(lung, -4))),
        Layer("oesophagus", gullet),
        Layer("myocardium", cut(uneven(heart, wobble=1.0), below, gap=2)),
        Layer("blood_left", cut(ellipsoid((-42, 30, top + 26), (26, 22, 24)), below, gap=9)),
        Layer("blood_right", cut(ellipsoid((-6, 46, top + 24), (24, 22, 22)), below, gap=6)),
    ]


def _muscle_layers(d: AbdomenDraw) -> list[Layer]:
    """Psoas, quadratus lumborum, crura and the diaphragm's sheet."""
    t = d.torso
    out = []
    for side in (-1, 1):
        psoas = tube(
            [
                (side * (t.body_width + 3), t.spine_y - 2, 0),
                (side * (t.body_width + 13), t.spine_y - 1, -45),
                (side * (t.body_width + 25), t.spine_y + 6, -120),
            ],
            [5, 13, 20],
        )
        quadratus = ellipsoid((side * 60, t.spine_y - 20, -70), (20, 8, 70))
        crus = tube(
            [
                (side * 16, t.spine_y + 12, 60),
                (side * 15, t.spine_y + 14, 20),
                (side * 12, t.spine_y + 11, -30),
            ],
            [5.5, 5, 2],
        )
        out += [Layer("muscle", uneven(part, wobble=0.8)) for part in (psoas, quadratus, crus)]
    return out


def build_abdomen(draw: AbdomenDraw, rng: np.random.Generator) -> Scene:
    """Builds the scene of an abdomen; `rng` draws the random fields."""
    t = draw.torso
    loops = [RandomField.draw(rng, (52, 100), count=32) for _ in range(2)]
    twigs = [RandomField.draw(rng, (28, 70), count=40) for _ in range(2)]
    bulges = [ellipsoid((side * (t.half_width - 10), -32, 60), (24, 44, 110)) for side in (-1, 1)]
    fields: dict[str, RandomField | Shape] = {
        "wobble": RandomField.draw(rng, (30, 75)),
        "ripple": RandomField.draw(rng, (12, 26)),
        "lobule": RandomField.draw(rng, (8, 15), count=48),
        "loop_a": loops[0],
        "loop_b": loops[1],
        "twig_a": twigs[0],
        "twig_b": twigs[1],
        **torso_fields(t, bulges),
    }
    below = _below_diaphragm(draw)
    cage = kept(fields, "cage")
    below = keep(fields, "below", common(below, offset(cage, 6)))
    belly = keep(fields, "belly", common(below, offset(cage, -9), blend=6))
    organs = build_organs(draw.organs, t, fields)
    slopes = (loops[0].wavenumber, twigs[0].wavenumber)
    gut = gut_layers(draw.gut, t, organs, fields=fields, wavenumbers=slopes)
    rectus = [ellipsoid((side * 30, t.front - 1, -60), (30, 7, 150)) for side in (-1, 1)]
    layers = [
        *wall_layers(t, fields),
        *(Layer("muscle", uneven(part, wobble=0.6)) for part in rectus),
        Layer("fat", offset(cage, -7)),
        *_chest_layers(draw, fields, below=below, slope=slopes[1]),
        Layer("muscle", common(offset(belly, 2.5), offset(cage, -4))),
        Layer("fat", belly),
        *rib_layers(t, fields),
        *_muscle_layers(draw),
        *spine_layers(t),
        *gut.back,
        *organs.layers,
        *gut.front,
    ]
    waves = [RandomField.draw(rng, (110, 320), count=16) for _ in range(3)]
    return Scene(layers, fields, (waves[0], waves[1], waves[2]), draw.strength)
