"""Stomach, duodenum, small bowel, colon and the mesentery."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedgin.data.phantom.combine import common, cut, offset, threads, uneven, union
from fedgin.data.phantom.organs import OrganShapes
from fedgin.data.phantom.scene import Layer
from fedgin.data.phantom.shapes import Points, Shape, everywhere, half_space, tube
from fedgin.data.phantom.torso import Fields, TorsoDraw, keep, kept


@dataclass(frozen=True)
class GutDraw:
    """Filling of the gut; lengths in mm.

    Attributes:
        fluid_level: Height (towards the front) at which gas replaces fluid in the stomach.
        bowel_radius: Outer radius of small bowel loops.
        colon_radius: Outer radius of the colon.
        transverse: Height of the transverse colon's middle.
        gas: Threshold of the random field above which bowel holds gas.
    """

    fluid_level: float
    bowel_radius: float
    colon_radius: float
    transverse: float
    gas: float


def draw_gut(rng: np.random.Generator) -> GutDraw:
    """Draws the filling of the gut of a fasting adult."""
    return GutDraw(
        fluid_level=float(rng.uniform(20, 50)),
        bowel_radius=float(rng.uniform(10, 13)),
        colon_radius=float(rng.uniform(16, 22)),
        transverse=float(rng.uniform(-62, -34)),
        gas=float(rng.uniform(0.6, 1.6)),
    )


@dataclass(frozen=True, eq=False)
class GutLayers:
    """Layers of the gut behind and before the solid organs."""

    back: list[Layer]
    front: list[Layer]


def _above(level: float) -> Shape:
    """The half of the patient in front of a fluid level (the patient lies on the back)."""
    return half_space((0, level, 0), (0, -1, 0))


def _where_high(name: str, threshold: float) -> Shape:
    """Where a random field is above a threshold; scaled to about mm at the border."""

    def distance(p: Points) -> np.ndarray:
        return np.asarray((np.float32(threshold) - p.field(name)) * 8)

    return everywhere(distance)


def _colon(d: GutDraw, t: TorsoDraw) -> list[Shape]:
    side, r = t.half_width - 36, d.colon_radius
    up = [(side - 6, -12, -115), (side, -18, -75), (side - 2, 2, -46)]
    across = [
        (side - 4, 18, -42),
        (side - 40, 56, d.transverse),
        (0, 62, d.transverse - 8),
        (-side + 42, 54, d.transverse + 12),
        (-side + 6, 6, 8),
    ]
    down = [(-side + 2, -14, 6), (-side - 4, -26, -30), (-side, -28, -75), (-side + 6, -16, -120)]
    parts = [
        tube(up, [r * 1.25, r * 1.15, r]),
        tube(across, [r, r, r * 0.95, r * 0.9, r * 0.8]),
        tube(down, [r * 0.7, r * 0.7, r * 0.65, r * 0.65]),
    ]
    return [uneven(part, ripple=2.2, wobble=1.5) for part in parts]


def gut_layers(
    d: GutDraw,
    t: TorsoDraw,
    organs: OrganShapes,
    *,
    fields: Fields,
    wavenumbers: tuple[float, float],
) -> GutLayers:
    """Builds the gut.

    `fields` takes the distances used more than once; `wavenumbers` are the rms slopes of the
    loop and the twig fields.
    """
    stomach, duodenum = organs.stomach, organs.duodenum
    inside = offset(kept(fields, "belly"), -2)
    twigs = threads("twig_a", "twig_b", radius=1.3, wavenumber=wavenumbers[1])
    loops = uneven(
        threads("loop_a", "loop_b", radius=d.bowel_radius, wavenumber=wavenumbers[0]), ripple=1.0
    )
    room = common(
        half_space((0, 0, -22), (0, 0, 1)), half_space((0, t.spine_y + 34, 0), (0, -1, 0)), inside
    )
    colon = [
        keep(fields, f"colon_{k}", common(part, inside)) for k, part in enumerate(_colon(d, t))
    ]
    loops = cut(common(loops, room), organs.occupied, offset(stomach, 2), gap=2)
    loops = cut(loops, *(offset(part, 3) for part in colon))
    loops = keep(fields, "loops", loops)
    back = [Layer("portal_vein", common(twigs, room))]
    front: list[Layer] = []
    front += [
        Layer("bowel_wall", loops),
        Layer("bowel_content", offset(loops, -2.8)),
        Layer("gas", common(offset(loops, -3.2), _where_high("wobble", d.gas + 0.5))),
    ]
    for part in colon:
        part = cut(part, organs.occupied, gap=-1)
        lumen = offset(part, -2.5)
        gas = common(lumen, union(_where_high("wobble", d.gas - 0.5), _above(52)))
        front += [Layer("bowel_wall", part), Layer("stool", lumen), Layer("gas", gas)]
    lumen = uneven(offset(stomach, -4), lobule=1.2)
    front += [
        Layer("bowel_wall", common(stomach, inside)),
        Layer("stomach_content", common(lumen, inside)),
        Layer("gas", common(offset(lumen, -0.5), _above(d.fluid_level), inside)),
        Layer("bowel_wall", duodenum),
        Layer("bowel_content", uneven(offset(duodenum, -4.5), lobule=2.0)),
    ]
    return GutLayers(back, front)
