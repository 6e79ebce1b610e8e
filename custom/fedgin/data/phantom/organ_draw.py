"""Draw of the abdominal organs: positions, sizes and turns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedgin.data.phantom.torso import TorsoDraw

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class OrganDraw:
    """Positions (mm, patient axes), radii (mm) and turns (degrees) of the organs.

    Attributes:
        liver: Centre of the right lobe.
        liver_radii: Radii of the right lobe.
        left_lobe: Centre of the left lobe.
        left_radii: Radii of the left lobe.
        liver_edge: Point on the plane that bounds the liver below.
        spleen: Centre.
        spleen_radii: Radii.
        spleen_turn: Turn about the patient's axes.
        kidneys: Centres of the right and the left kidney.
        kidney_radii: Width, depth and half length.
        kidney_turn: Turn of the right kidney; the left one is its mirror image.
        pancreas: Centre of the head.
        pancreas_radii: Radii at head, neck, body and tail.
        pancreas_rise: How far the tail stands above the head.
        lobulation: Depth of the pancreas's clefts.
        gallbladder: Fundus.
        gallbladder_radius: Radius of the fundus.
        gallbladder_length: Distance from the fundus to the neck.
        vessel: Factor on all vessel radii.
        stomach: Factor on the stomach's radii.
    """

    liver: Triple
    liver_radii: Triple
    left_lobe: Triple
    left_radii: Triple
    liver_edge: Triple
    spleen: Triple
    spleen_radii: Triple
    spleen_turn: Triple
    kidneys: tuple[Triple, Triple]
    kidney_radii: Triple
    kidney_turn: Triple
    pancreas: Triple
    pancreas_radii: tuple[float, float, float, float]
    pancreas_rise: float
    lobulation: float
    gallbladder: Triple
    gallbladder_radius: float
    gallbladder_length: float
    vessel: float
    stomach: float


def draw_organs(rng: np.random.Generator, torso: TorsoDraw) -> OrganDraw:
    """Draws organs whose size follows measured adult ranges.

    Liver about 1500 ml (Heinemann et al., Liver Transpl Surg 1999;5:366-368), spleen about
    215 ml (Prassopoulos et al., Eur Radiol 1997;7:246-248), kidneys 150-200 ml with a length
    of about 11 cm (Emamian et al., AJR Am J Roentgenol 1993;160:83-86), pancreas about 70 ml
    (Saisho et al., Clin Anat 2007;20:933-942), gallbladder 20-50 ml in the fasting state.
    """

    def place(x: float, y: float, z: float, *, sd: float = 4.0) -> Triple:
        shift = np.clip(rng.normal(0, sd, size=3), -2 * sd, 2 * sd)
        return float(x + shift[0]), float(y + shift[1]), float(z + shift[2])

    def size(*radii: float, part: float = 0.06) -> tuple[float, ...]:
        common_factor = np.clip(rng.normal(0, part), -2 * part, 2 * part)
        own = np.clip(rng.normal(0, part, size=len(radii)), -2 * part, 2 * part)
        return tuple(
            float(r * np.exp(0.7 * common_factor + 0.6 * o))
            for r, o in zip(radii, own, strict=True)
        )

    def three(*radii: float, part: float = 0.06) -> Triple:
        a, b, c = size(*radii, part=part)
        return a, b, c

    wide, back = torso.half_width - 131, torso.back - 86
    turn = rng.normal(0, 5, size=(2, 3))
    head, neck, body, tail = size(15, 10, 11.5, 10.5, part=0.09)
    rise = float(rng.normal(26, 9))
    return OrganDraw(
        liver=place(57 + wide * 0.6, -6, 18),
        liver_radii=three(79, 91, 87, part=0.08),
        left_lobe=place(-4, 40, 42),
        left_radii=three(64, 42, 36, part=0.10),
        liver_edge=place(44, 2, -34, sd=6),
        spleen=place(-91 - wide * 0.7, -38 - back * 0.6, 38),
        spleen_radii=three(37, 54, 66, part=0.12),
        spleen_turn=(float(22 + turn[0, 0]), float(turn[0, 1]), float(20 + turn[0, 2])),
        kidneys=(
            place(60, -44 - back * 0.7, -28, sd=3.5),
            place(-60, -46 - back * 0.7, -14, sd=3.5),
        ),
        kidney_radii=three(28.5, 26, 55.5, part=0.06),
        kidney_turn=(
            float(-8 + turn[1, 0] * 0.7),
            float(-10 + turn[1, 1]),
            float(-35 + turn[1, 2]),
        ),
        pancreas=place(34, 8, -22),
        pancreas_radii=(head, neck, body, tail),
        pancreas_rise=rise,
        lobulation=float(rng.uniform(1.2, 2.2)),
        gallbladder=place(58, 52, -26, sd=5),
        gallbladder_radius=float(np.clip(rng.normal(16, 2), 12.5, 19.5)),
        gallbladder_length=float(rng.uniform(38, 54)),
        vessel=float(np.exp(rng.normal(0, 0.07))),
        stomach=float(rng.uniform(0.68, 1.05)),
    )
