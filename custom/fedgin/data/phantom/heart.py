"""The heart: chambers, walls and great vessels in a frame along the long axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedgin.data.phantom.combine import common, cut, offset, uneven, union
from fedgin.data.phantom.grid import rotation
from fedgin.data.phantom.scene import Layer
from fedgin.data.phantom.shapes import Shape, ellipsoid, half_space, tube
from fedgin.data.phantom.torso import Fields, keep

HEART_LABELS = {
    "left_ventricle": 1,
    "right_ventricle": 2,
    "left_atrium": 3,
    "right_atrium": 4,
    "myocardium": 5,
}


@dataclass(frozen=True)
class HeartDraw:
    """Size, pose and proportions of a heart; lengths in mm, angles in degrees.

    Attributes:
        base: Centre of the mitral valve plane.
        tilt: Turn of the heart's frame about the patient's axes.
        scale: Common factor on all lengths.
        lv_length: Half length of the left ventricle's ellipsoid.
        lv_radius: Its inner radius.
        wall: Thickness of the left ventricle's wall.
        rv_length: Half length of the right ventricle's ellipsoid.
        rv_reach: How far the right ventricle reaches beyond the septum.
        rv_height: Its half height.
        la: Radii of the left atrium: width, depth, height.
        ra: Radii of the right atrium: width, depth, height.
        aorta: Radius of the ascending aorta.
        pulmonary: Radius of the pulmonary trunk.
        fat: Thickness of the epicardial fat.
    """

    base: tuple[float, float, float]
    tilt: tuple[float, float, float]
    scale: float
    lv_length: float
    lv_radius: float
    wall: float
    rv_length: float
    rv_reach: float
    rv_height: float
    la: tuple[float, float, float]
    ra: tuple[float, float, float]
    aorta: float
    pulmonary: float
    fat: float


def draw_heart(rng: np.random.Generator) -> HeartDraw:
    """Draws an adult heart.

    The spread follows the normal ranges of Kawel-Boehm et al., J Cardiovasc Magn Reson
    2015;17:29 (end-diastolic volumes of about 100-200 ml for either ventricle, wall of
    6-11 mm), atria as in Maceira et al., J Cardiovasc Magn Reson 2010;12:65 and 2013;15:29.
    """

    def near(mean: float, part: float = 0.07) -> float:
        return float(mean * np.exp(np.clip(rng.normal(0, part), -2.2 * part, 2.2 * part)))

    shift, turn = rng.normal(0, (4, 3, 4)), rng.normal(0, (6, 6, 8))
    return HeartDraw(
        base=(float(-6 + shift[0]), float(12 + shift[1]), float(10 + shift[2])),
        tilt=(float(turn[0]), float(turn[1]), float(turn[2])),
        scale=near(1.06, 0.05),
        lv_length=near(49),
        lv_radius=near(25.5),
        wall=near(8.8, 0.12),
        rv_length=near(49),
        rv_reach=near(33, 0.09),
        rv_height=near(38),
        la=(near(27), near(20.5), near(26)),
        ra=(near(24, 0.09), near(25, 0.09), near(29, 0.08)),
        aorta=near(15, 0.1),
        pulmonary=near(13, 0.08),
        fat=float(rng.uniform(3, 9)),
    )


def heart_frame(draw: HeartDraw) -> np.ndarray:
    """Columns: base to apex, left to right ventricle, front-top to diaphragm."""
    apex = np.array([-0.68, 0.55, -0.48])
    right = np.array([0.66, 0.75, -0.08])
    apex /= np.linalg.norm(apex)
    right -= apex * (apex @ right)
    right /= np.linalg.norm(right)
    frame = np.stack([apex, right, np.cross(apex, right)], axis=1)
    return np.asarray(rotation(draw.tilt) @ frame)


@dataclass(frozen=True, eq=False)
class HeartShapes:
    """The solids of a heart and what surrounds it.

    Attributes:
        layers: The heart and its vessels, in painting order.
        whole: Envelope of the chambers.
        vessels: Envelope of the great vessels.
    """

    layers: list[Layer]
    whole: Shape
    vessels: Shape


def build_heart(h: HeartDraw, fields: Fields) -> HeartShapes:
    """Builds the solids of a heart; `fields` takes the distances used more than once."""
    frame, base, s = heart_frame(h), np.asarray(h.base), h.scale

    def at(along: float, right: float = 0.0, down: float = 0.0) -> np.ndarray:
        return np.asarray(base + frame @ np.array([along, right, down]) * s)

    def near(point: np.ndarray, x: float, y: float, z: float) -> np.ndarray:
        return point + np.array([x, y, z]) * s

    def blob(centre: np.ndarray, radii: tuple[float, float, float], own: bool = True) -> Shape:
        return ellipsoid(centre, np.asarray(radii) * s, axes=frame if own else None)

    def behind(along: float) -> Shape:
        return half_space(at(along), frame[:, 0])

    def before(along: float) -> Shape:
        return half_space(at(along), -frame[:, 0])

    lv_middle, wall = h.lv_length * 0.58, h.wall
    lv_ball = blob(at(lv_middle), (h.lv_length, h.lv_radius, h.lv_radius))
    epi_ball = blob(
        at(lv_middle), (h.lv_length + wall * 0.9, h.lv_radius + wall, h.lv_radius + wall)
    )
    lv = uneven(common(lv_ball, before(0.5), blend=4), wobble=0.6, ripple=0.5)
    epi = uneven(common(epi_ball, before(-3), blend=6), wobble=0.6)

    rv_ball = blob(at(26, h.rv_reach, 3), (h.rv_length, h.rv_reach * 0.86, h.rv_height))
    outlet = at(4, 31, -h.rv_height * 0.92)
    trunk = near(outlet, -4, -8, 16)
    outflow = tube([at(26, h.rv_reach, -12), outlet], [17 * s, 13.5 * s])
    rv_body = union(common(rv_ball, before(6), blend=5), outflow, blend=10)
    rv = uneven(rv_body, wobble=1.0, ripple=0.6)

    la_middle = near(at(-h.la[1] * 0.92, -1, -1), 2, -5, 5)
    la_ball = blob(la_middle, h.la, own=False)
    la = uneven(
        common(union(la_ball, blob(at(-8), (12, 18, 18)), blend=10), behind(-1.5)), wobble=1.0
    )
    ra_middle = near(at(-12, 42, 9), 3, -3, 2)
    ra_ball = blob(ra_middle, h.ra, own=False)
    ring = blob(at(2, 38, 6), (12, 17, 19))
    ra = uneven(common(union(ra_ball, ring, blend=10), behind(5)), wobble=1.0, ripple=0.3)

    root = at(2, 15, -8)
    ascending = near(root, 15, 2, 34)
    arch = [near(root, 14, -8, 62), near(root, 0, -28, 78), near(root, -14, -52, 72)]
    down_x, down_y = -22.0, float(base[1] - 62 * s)
    descending = [(down_x, down_y, 45.0), (down_x, down_y + 2, 0.0), (-17.0, down_y + 3, -110.0)]
    r = h.aorta
    aorta_up = tube([at(6, 12, -6), root, ascending], [r * 0.85, r * 1.05, r])
    aorta_arch = tube([ascending, *arch, descending[0]], [r, r * 0.97, r * 0.9, r * 0.85, r * 0.8])
    aorta_down = tube(descending, [r * 0.8, r * 0.78, r * 0.74])
    q = h.pulmonary
    fork = near(trunk, -2, -22, 14)
    pulmonary = tube([outlet, trunk, fork], [q, q, q * 0.95])
    left_branch = tube(
        [fork, near(fork, -22, -18, 4), near(fork, -48, -30, -8)], [q * 0.8, q * 0.65, q * 0.4]
    )
    right_branch = tube(
        [fork, near(fork, 24, -12, -3), near(fork, 60, -18, -12)], [q * 0.75, q * 0.7, q * 0.45]
    )
    cava_top = tube(
        [near(ra_middle, 2, -8, 14), near(ra_middle, 4, -6, 50), near(ra_middle, 3, -2, 110)],
        [9, 9.5, 9],
    )
    cava_low = tube(
        [
            near(ra_middle, 2, -8, -12),
            near(ra_middle, -2, -16, -45),
            near(ra_middle, -4, -22, -110),
        ],
        [12, 12.5, 11],
    )
    veins = [
        tube(
            [
                near(la_middle, side * 14, -6, level * 12),
                near(la_middle, side * 36, -14, level * 18),
                near(la_middle, side * 62, -16, level * 30),
            ],
            [8, 6, 4],
        )
        for side in (-1, 1)
        for level in (-1, 1)
    ]

    lv, epi, rv = keep(fields, "lv", lv), keep(fields, "epi", epi), keep(fields, "rv", rv)
    la, ra = keep(fields, "la", la), keep(fields, "ra", ra)
    aorta_up = keep(fields, "aorta_up", aorta_up)
    aorta_arch = keep(fields, "aorta_arch", aorta_arch)
    aorta_down = keep(fields, "aorta_down", aorta_down)
    pulmonary = keep(fields, "pulmonary", pulmonary)

    # Thin walls carry the label of their chamber; the grooves between the chambers, filled
    # by the blend, join the septa to the myocardium so that the whole heart is one piece.
    chambers = union(epi, offset(rv, 2.2), offset(la, 2), offset(ra, 2), blend=9)
    chambers = keep(fields, "chambers", chambers)
    rv_blood = cut(rv, epi, offset(aorta_up, 3), gap=0.5)
    ra_blood = cut(ra, la, gap=3)
    ra_blood = cut(ra_blood, epi, offset(aorta_up, 3), gap=1.5)
    la_blood = cut(la, offset(aorta_up, 3))
    papillary = [
        tube([at(h.lv_length * 1.3, x, y * 0.8), at(h.lv_length * 0.75, x * 0.75, y)], [5.0, 3.0])
        for x, y in ((-h.lv_radius * 0.5, -h.lv_radius * 0.45), (-2.0, h.lv_radius * 0.62))
    ]
    # Right coronary artery in the groove, anterior interventricular artery on the septum.
    groove = [at(8, h.rv_reach * 1.55, -18), at(8, h.rv_reach * 1.95, 4), at(8, 46, 36)]
    edge = h.lv_radius + wall + 3
    septal = [at(4, 14, -edge * 0.92), at(40, 14, -edge * 0.96), at(72, 8, -edge * 0.6)]
    lv_id, rv_id, la_id, ra_id, myo = HEART_LABELS.values()
    layers = [
        *(Layer("blood_left", vein) for vein in veins),
        Layer("blood_right", cava_top),
        Layer("blood_right", cava_low),
        Layer("vessel_wall", offset(pulmonary, 1.5)),
        Layer("blood_right", left_branch),
        Layer("blood_right", right_branch),
        Layer("blood_left", tube(groove, [1.9, 1.8, 1.5])),
        Layer("blood_left", tube(septal, [1.9, 1.8, 1.3])),
        Layer("myocardium", chambers, myo),
        Layer("myocardium", offset(ra, 1.8), ra_id),
        Layer("myocardium", offset(la, 1.6), la_id),
        Layer("myocardium", offset(rv, 2.0), rv_id),
        Layer("myocardium", epi, myo),
        Layer("vessel_wall", offset(aorta_up, 1.8)),
        Layer("blood_left", aorta_up),
        Layer("blood_right", ra_blood, ra_id),
        Layer("blood_left", la_blood, la_id),
        Layer("blood_right", rv_blood, rv_id),
        Layer("blood_left", lv, lv_id),
        *(Layer("myocardium", common(muscle, lv), lv_id) for muscle in papillary),
        Layer("blood_right", cut(pulmonary, rv)),
        Layer("vessel_wall", offset(aorta_arch, 1.5)),
        Layer("blood_left", aorta_arch),
        Layer("vessel_wall", offset(aorta_down, 1.5)),
        Layer("blood_left", aorta_down),
    ]
    vessels = union(aorta_up, aorta_arch, aorta_down, pulmonary, cava_top, left_branch, blend=8)
    vessels = keep(fields, "vessels", vessels)
    return HeartShapes(layers, chambers, vessels)
