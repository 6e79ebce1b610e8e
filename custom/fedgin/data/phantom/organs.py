"""Solid organs of the abdomen and the large vessels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedgin.data.phantom.combine import common, cut, offset, uneven, union
from fedgin.data.phantom.grid import rotation
from fedgin.data.phantom.organ_draw import OrganDraw, Triple
from fedgin.data.phantom.scene import Layer
from fedgin.data.phantom.shapes import Shape, ellipsoid, half_space, tube
from fedgin.data.phantom.torso import Fields, TorsoDraw, keep, kept

ABDOMEN_LABELS = {
    "liver": 1,
    "spleen": 2,
    "kidney_right": 3,
    "kidney_left": 4,
    "pancreas": 5,
    "gallbladder": 6,
}


@dataclass(frozen=True, eq=False)
class OrganShapes:
    """The solids of the organs; the gut keeps clear of them.

    Attributes:
        layers: Organs and vessels in painting order.
        occupied: Named organs, for others to keep clear of.
        stomach: The stomach's outline, cut out of liver and spleen.
        duodenum: The duodenum around the head of the pancreas.
    """

    layers: list[Layer]
    occupied: Shape
    stomach: Shape
    duodenum: Shape


def _kidney(centre: Triple, o: OrganDraw, side: int, t: TorsoDraw) -> tuple[Shape, Shape, Shape]:
    """Parenchyma, renal sinus and medulla; `side` is 1 for the right kidney."""
    x, y, z = o.kidney_turn
    turn = rotation((x, side * y, side * z))
    radii = (
        o.kidney_radii
        if side > 0
        else (o.kidney_radii[0], o.kidney_radii[1], o.kidney_radii[2] * 1.03)
    )
    inward = turn @ np.array([-side, 0.25, 0.0])
    bean = ellipsoid(centre, radii, axes=turn)
    hilum = np.asarray(centre) + inward * radii[0] * 0.95
    sinus = ellipsoid(hilum, (17, 9, 23), axes=turn)
    bean = cut(uneven(bean, wobble=1.0, ripple=0.4), sinus, blend=6)
    medulla = uneven(offset(bean, -6.5), lobule=3.5)
    return bean, sinus, medulla


def build_organs(o: OrganDraw, t: TorsoDraw, fields: Fields) -> OrganShapes:
    """Builds the organs and vessels; `fields` takes the distances used more than once."""
    lab, v, sy = ABDOMEN_LABELS, o.vessel, t.spine_y
    front_y = sy + t.body_depth

    right, sinus_r, medulla_r = _kidney(o.kidneys[0], o, 1, t)
    left, sinus_l, medulla_l = _kidney(o.kidneys[1], o, -1, t)
    right, left = keep(fields, "kidney_r", right), keep(fields, "kidney_l", left)
    whole_r = ellipsoid(o.kidneys[0], np.asarray(o.kidney_radii) + 5)
    whole_l = ellipsoid(o.kidneys[1], np.asarray(o.kidney_radii) + 5)

    stomach = uneven(
        tube(
            [(-58, -18, 66), (-62, 8, 48), (-52, 38, 16), (-24, 52, -6), (8, 44, -8), (28, 36, -4)],
            [r * o.stomach for r in (28, 34, 28, 22, 15, 9)],
        ),
        wobble=2.0,
        ripple=1.2,
    )
    stomach = keep(fields, "stomach", stomach)
    belly = kept(fields, "belly")
    hx, hy, hz = o.pancreas
    duodenum = uneven(
        tube(
            [
                (hx - 4, hy + 24, hz + 20),
                (hx + 18, hy + 10, hz + 12),
                (hx + 21, hy - 6, hz - 14),
                (hx + 8, hy - 14, hz - 34),
                (-10, front_y + 26, hz - 34),
            ],
            [11, 11, 11, 11, 10],
        ),
        ripple=0.8,
    )
    duodenum = keep(fields, "duodenum", duodenum)

    aorta = tube(
        [
            (-8, front_y + 16, 130),
            (-9, front_y + 13, 20),
            (-7, front_y + 12, -60),
            (-4, front_y + 11, -130),
        ],
        [11.5 * v, 10.5 * v, 9.5 * v, 9 * v],
    )
    cava = tube(
        [
            (22, front_y + 32, 110),
            (23, front_y + 26, 60),
            (20, front_y + 14, 0),
            (19, front_y + 11, -130),
        ],
        [12.5 * v, 12 * v, 11 * v, 10 * v],
    )
    confluence = (12.0, front_y + 33, hz + 12)
    hilum = (hx + 8, hy + 6, hz + 48)
    portal = tube([confluence, (22, confluence[1] + 2, hz + 30), hilum], [7 * v, 7.2 * v, 7 * v])
    mesenteric = tube(
        [
            confluence,
            (9, confluence[1] + 4, hz - 20),
            (4, confluence[1] + 18, hz - 60),
            (2, confluence[1] + 22, hz - 110),
        ],
        [6.5 * v, 6 * v, 5 * v, 3],
    )
    artery = tube(
        [
            (-7, front_y + 20, hz + 16),
            (-5, confluence[1] + 2, hz - 8),
            (-6, confluence[1] + 15, hz - 60),
            (-4, confluence[1] + 18, hz - 110),
        ],
        [4 * v, 4 * v, 3.5 * v, 2.5],
    )
    tail = (-72.0, sy + 34, hz + 8 + o.pancreas_rise)
    splenic = tube(
        [
            confluence,
            (-20, front_y + 34, hz + 14 + o.pancreas_rise * 0.4),
            (tail[0] + 6, tail[1] - 7, tail[2] + 2),
            (o.spleen[0] + 16, o.spleen[1] + 6, o.spleen[2] - 4),
        ],
        [5 * v, 4.8 * v, 4.5 * v, 3.5 * v],
    )
    renal = [
        tube(
            [
                (start, front_y + 13, o.kidneys[k][2] + 4),
                (o.kidneys[k][0] + inner * 20, o.kidneys[k][1] + 8, o.kidneys[k][2]),
            ],
            [4.5, 4],
        )
        for k, start, inner in ((0, 22.0, -1), (1, -2.0, 1))
    ]

    r_head, r_neck, r_body, r_tail = o.pancreas_radii
    trunk = tube(
        [
            (hx, hy, hz - 20),
            (hx - 1, hy, hz),
            (14, front_y + 44, hz + 12),
            (-16, front_y + 43, hz + 10 + o.pancreas_rise * 0.35),
            (-44, front_y + 26, hz + 8 + o.pancreas_rise * 0.8),
            tail,
        ],
        [r_head * 0.75, r_head, r_neck, r_body, r_tail, r_tail * 0.75],
        per_segment=4,
    )
    uncinate = ellipsoid((hx - 8, hy - 8, hz - 14), (14, 8, 13))
    pancreas = uneven(union(trunk, uncinate, blend=8), lobule=o.lobulation, ripple=1.2)
    pancreas = keep(fields, "pancreas", cut(pancreas, duodenum, gap=0.5))

    plane = half_space(o.liver_edge, (-0.42, -0.40, -0.78))
    lobes = union(
        ellipsoid(o.liver, o.liver_radii),
        ellipsoid(o.left_lobe, o.left_radii, axes=rotation((0, 14, 0))),
        blend=30,
    )
    fissure = ellipsoid((2, 62, 2), (3.5, 26, 24))
    liver = common(uneven(lobes, wobble=3.0, ripple=0.8), plane, blend=22)
    liver = common(liver, offset(belly, -1.5), blend=5)
    column = ellipsoid((0, front_y - 6, 0), (34, 24, 500))
    liver = cut(
        liver,
        offset(stomach, 2),
        whole_r,
        column,
        fissure,
        ellipsoid((hilum[0], hilum[1], hilum[2] - 12), (14, 14, 16)),
        blend=5,
    )
    liver = keep(fields, "liver", liver)

    gx, gy, gz = o.gallbladder
    neck = np.array([gx - 14, gy - 0.66 * o.gallbladder_length, gz + 0.62 * o.gallbladder_length])
    fundus, radius = np.asarray(o.gallbladder), o.gallbladder_radius
    bladder = uneven(
        tube([fundus, 0.6 * fundus + 0.4 * neck, neck], [radius * 0.85, radius, 4.0]),
        wobble=0.5,
    )
    bladder = keep(fields, "bladder", common(bladder, offset(belly, -2)))

    turn = rotation(o.spleen_turn)
    spleen = uneven(ellipsoid(o.spleen, o.spleen_radii, axes=turn), wobble=2.0, ripple=0.5)
    spleen = common(spleen, offset(belly, -1.5), blend=5)
    spleen = keep(fields, "spleen", cut(spleen, offset(stomach, 2.5), whole_l, blend=6))

    tops = [
        tube([(23, front_y + 28, 72), (x, y, z)], [5, 2.2])
        for x, y, z in ((88, -22, 48), (52, 34, 46), (2, 38, 52))
    ]
    branches = [
        tube([hilum, middle, end], [6, 4.5, 1.6])
        for middle, end in (
            ((hilum[0] + 24, hilum[1] - 8, hilum[2] + 6), (96, -12, hilum[2] + 14)),
            ((hilum[0] + 20, hilum[1] - 4, hilum[2] + 4), (88, 34, hilum[2] - 8)),
            ((hilum[0] - 10, hilum[1] + 20, hilum[2] + 16), (-12, 48, hilum[2] + 22)),
        )
    ]
    inner = offset(liver, -4)
    kidneys = []
    for bean, sinus, medulla, name in (
        (right, sinus_r, medulla_r, "kidney_right"),
        (left, sinus_l, medulla_l, "kidney_left"),
    ):
        kidneys += [
            Layer("kidney_cortex", bean, lab[name]),
            Layer("kidney_medulla", medulla, lab[name]),
            Layer("fat", offset(sinus, -1)),
            Layer("csf", common(offset(sinus, -5), offset(bean, 14))),
        ]
    adrenals = [
        tube([(x, front_y + 8, z + 30), (x + side * 8, front_y - 2, z + 16)], [3.5, 2.5])
        for x, side, z in ((34, 1, o.kidneys[0][2] + 42), (-34, -1, o.kidneys[1][2] + 42))
    ]
    layers = [
        *(Layer("pancreas", part) for part in adrenals),
        Layer("liver", liver, lab["liver"]),
        *(Layer("hepatic_vein", common(part, inner), None) for part in tops),
        *(Layer("portal_vein", common(part, inner), None) for part in branches),
        Layer("spleen", spleen, lab["spleen"]),
        *kidneys,
        Layer("vessel_wall", offset(aorta, 1.3)),
        Layer("blood_left", aorta),
        Layer("cava", cava),
        *(Layer("cava", part) for part in renal),
        Layer("portal_vein", splenic),
        Layer("portal_vein", portal),
        Layer("pancreas", pancreas, lab["pancreas"]),
        Layer("portal_vein", mesenteric),
        Layer("fat", offset(artery, 2.5)),
        Layer("blood_left", artery),
        Layer("bowel_wall", offset(bladder, 1.2), lab["gallbladder"]),
        Layer("bile", bladder, lab["gallbladder"]),
    ]
    occupied = union(
        liver,
        spleen,
        whole_r,
        whole_l,
        offset(pancreas, 3),
        offset(bladder, 3),
        offset(duodenum, 2),
        aorta,
        cava,
        mesenteric,
    )
    occupied = keep(fields, "occupied", occupied)
    return OrganShapes(layers, occupied, stomach, duodenum)
