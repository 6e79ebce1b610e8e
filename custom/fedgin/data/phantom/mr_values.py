"""Relaxation times, proton densities and sequences of the MR protocols at 1.5 T.

Sources of T1 and T2:

* de Bazelaire et al., Radiology 2004;230:652-659: liver, spleen, pancreas, kidney cortex and
  medulla, paravertebral muscle, bone marrow and subcutaneous fat (their 1.5 T columns).
* Stanisz et al., Magn Reson Med 2005;54:507-512: blood, heart muscle, spinal cord,
  cartilage at 1.5 T.
* Shorter T2 of venous blood by its deoxygenation: Wright et al., J Magn Reson Imaging
  1991;1:275-283.
* Myocardial T2 of about 52 ms by mapping: Giri et al., J Cardiovasc Magn Reson 2009;11:56.

Proton densities relative to water follow the water (or lipid) contents of Woodard and White,
Br J Radiol 1986;59:1209-1219. Watery fluids (cerebrospinal fluid, bile, gastric and bowel
fluid) take long T1 and T2 of textbook size. Lung and cortical bone lose their signal by
short apparent T2 rather than by T2 proper.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Relaxation:
    """Magnetic properties of a tissue at 1.5 T.

    Attributes:
        t1: Longitudinal relaxation time, ms.
        t2: Transverse relaxation time, ms.
        density: Proton density, 1 for water.
        within: Relative standard deviation of the texture inside a patient.
    """

    t1: float
    t2: float
    density: float
    within: float = 0.03


# fmt: off
MR_TISSUES: dict[str, Relaxation] = {
    "air": Relaxation(1000, 1, 0.0), "gas": Relaxation(1000, 1, 0.0),
    "lung": Relaxation(1150, 1.6, 0.2, 0.25), "fat": Relaxation(343, 58, 0.90, 0.04),
    "skin": Relaxation(800, 35, 0.65), "muscle": Relaxation(856, 32, 0.76, 0.06),
    "bone": Relaxation(500, 0.5, 0.2), "marrow": Relaxation(549, 49, 0.70, 0.08),
    "disc": Relaxation(1000, 60, 0.75, 0.08), "cartilage": Relaxation(1024, 30, 0.6),
    "csf": Relaxation(4000, 1500, 1.0, 0.02), "cord": Relaxation(745, 74, 0.75),
    "blood_left": Relaxation(1441, 250, 0.83, 0.03),
    "blood_right": Relaxation(1441, 190, 0.83, 0.04),
    "cava": Relaxation(1441, 160, 0.83, 0.05),
    "portal_vein": Relaxation(1441, 170, 0.83, 0.04),
    "hepatic_vein": Relaxation(1441, 170, 0.83, 0.04),
    "vessel_wall": Relaxation(950, 45, 0.7), "myocardium": Relaxation(1000, 52, 0.78, 0.04),
    "oesophagus": Relaxation(900, 45, 0.76, 0.08), "liver": Relaxation(586, 46, 0.74, 0.04),
    "spleen": Relaxation(1057, 79, 0.80, 0.03), "pancreas": Relaxation(584, 46, 0.75, 0.07),
    "kidney_cortex": Relaxation(966, 87, 0.80, 0.03),
    "kidney_medulla": Relaxation(1412, 85, 0.84, 0.04),
    "bile": Relaxation(2200, 600, 0.98, 0.02), "bowel_wall": Relaxation(900, 50, 0.77, 0.06),
    "bowel_content": Relaxation(1800, 300, 0.92, 0.12),
    "stomach_content": Relaxation(2200, 400, 0.94, 0.10),
    "stool": Relaxation(700, 50, 0.55, 0.30),
}

# fmt: on

BLOOD = ("blood_left", "blood_right", "cava", "portal_vein", "hepatic_vein")


@dataclass(frozen=True)
class Sequence:
    """A pulse sequence.

    Attributes:
        kind: Signal equation: "bssfp", "spoiled" or "spin-echo".
        tr: Repetition time, ms.
        te: Echo time, ms.
        flip: Flip angle, degrees.
        fat_residue: What fat suppression leaves of fat's signal (1: no suppression).
        inflow: Share of the flowing blood that is fresh, hence fully magnetised.
        flow_residue: What is left of flowing blood's signal after the flow void, arterial.
        slow_residue: The same for the slow flow of veins.
        noise: Standard deviation of either channel's noise, relative to muscle's signal.
    """

    kind: str
    tr: float
    te: float
    flip: float = 90.0
    fat_residue: float = 1.0
    inflow: float = 0.0
    flow_residue: float = 1.0
    slow_residue: float = 1.0
    noise: tuple[float, float] = (0.04, 0.08)


MR_SEQUENCES: dict[str, Sequence] = {
    # Cine-type balanced SSFP. At 20 cm/s blood crosses 8 % of an 8 mm slice in one TR.
    "bssfp": Sequence("bssfp", 3.2, 1.6, flip=60, inflow=0.08, noise=(0.05, 0.10)),
    # Breath-hold spoiled gradient echo, in phase; some inflow between the slices' excitations.
    "t1": Sequence("spoiled", 140, 4.6, flip=70, inflow=0.12, noise=(0.03, 0.06)),
    # Turbo spin echo: spins that leave the slice before the echo give no signal.
    "t2-fat-suppressed": Sequence(
        "spin-echo",
        2500,
        80,
        fat_residue=0.10,
        flow_residue=0.08,
        slow_residue=0.35,
        noise=(0.05, 0.10),
    ),
}
