"""Attenuation of tissues in HU per CT protocol.

Where the numbers come from. Each entry is (mean, standard deviation between patients,
standard deviation of the texture within a patient). Figures are rounded to what the sources
support at 120 kVp; the spread within an organ excludes scanner noise.

* Unenhanced soft tissue: Lamba et al., AJR Am J Roentgenol 2014;203:1013-1020 (liver, spleen,
  pancreas, kidney, aorta, muscle and fat on unenhanced abdominal CT). Blood without contrast
  and myocardium differ by few HU, which is why chambers cannot be told apart.
* Fat window of -190 to -30 HU: Yoshizumi et al., Radiology 1999;211:283-286.
* Muscle attenuation: Aubrey et al., Acta Physiol 2014;210:489-497.
* Trabecular bone of the lumbar spine: Pickhardt et al., Ann Intern Med 2013;158:588-595.
* Timing of the aortic, pancreatic, portal-venous and hepatic phases and the usual
  enhancement of vessels and liver: Bae, Radiology 2010;256:32-61.
* Portal-venous enhancement of the liver by about 50 HU: Heiken et al., Radiology
  1995;195:353-357.
* Intracoronary and aortic attenuation above 300 HU wanted in cardiac CT: Abbara et al.,
  J Cardiovasc Comput Tomogr 2016;10:435-449. The right heart is washed by saline or mixed
  contrast and varies widely.
* Corticomedullary phase of the kidney: Cohan et al., Radiology 1995;196:445-451.

Tissues without a dedicated source (bowel, oesophagus, vessel wall, cartilage, disc, stool)
take common textbook values; nothing was fitted to any segmentation result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Attenuation:
    """Attenuation of a tissue in HU.

    Attributes:
        mean: Mean over patients.
        between: Standard deviation between patients.
        within: Standard deviation of the texture inside one patient.
    """

    mean: float
    between: float
    within: float


def _table(rows: Mapping[str, tuple[float, float, float]]) -> dict[str, Attenuation]:
    return {name: Attenuation(*row) for name, row in rows.items()}


# fmt: off
_NATIVE = _table({
    "air": (-1000, 0, 0), "gas": (-980, 10, 5), "lung": (-850, 30, 28),
    "fat": (-105, 6, 5), "skin": (20, 10, 0), "muscle": (54, 5, 7),
    "bone": (850, 120, 60), "marrow": (160, 40, 22), "disc": (85, 12, 8),
    "cartilage": (105, 20, 15), "csf": (12, 5, 2), "cord": (36, 4, 2),
    "blood_left": (42, 4, 1.5), "blood_right": (42, 4, 1.5), "cava": (42, 4, 1.5),
    "portal_vein": (42, 4, 1.5), "hepatic_vein": (42, 4, 1.5),
    "vessel_wall": (45, 5, 2), "myocardium": (47, 4, 3), "oesophagus": (42, 6, 8),
    "liver": (57, 7, 2.5), "spleen": (48, 4, 2), "pancreas": (40, 7, 6),
    "kidney_cortex": (33, 3, 2), "kidney_medulla": (31, 3, 2), "bile": (8, 5, 1),
    "bowel_wall": (40, 6, 4), "bowel_content": (20, 12, 9), "stomach_content": (18, 14, 10),
    "stool": (25, 20, 60),
})

# Only the tissues that change with contrast medium; the rest is as in the native scan.
_ARTERIAL = _table({
    "blood_left": (350, 50, 4), "blood_right": (215, 65, 18), "cava": (105, 30, 10),
    "portal_vein": (105, 30, 3), "hepatic_vein": (60, 8, 2),
    "vessel_wall": (75, 10, 3), "myocardium": (108, 14, 6), "oesophagus": (60, 8, 8),
    "muscle": (60, 5, 7), "liver": (70, 9, 3), "spleen": (125, 18, 18),
    "pancreas": (105, 14, 9), "kidney_cortex": (170, 25, 6), "kidney_medulla": (75, 15, 6),
    "bowel_wall": (85, 14, 8), "cord": (40, 4, 2), "marrow": (165, 40, 22),
})

_PORTAL = _table({
    "blood_left": (150, 18, 2), "blood_right": (145, 18, 2), "cava": (135, 20, 7),
    "portal_vein": (165, 20, 2), "hepatic_vein": (158, 20, 2),
    "vessel_wall": (85, 8, 3), "myocardium": (108, 10, 4), "oesophagus": (72, 9, 8),
    "muscle": (64, 5, 7), "liver": (108, 12, 3.5), "spleen": (121, 12, 3),
    "pancreas": (95, 12, 8), "kidney_cortex": (190, 20, 5), "kidney_medulla": (165, 22, 6),
    "bowel_wall": (95, 13, 8), "cord": (42, 4, 2), "marrow": (170, 40, 22),
})

# fmt: on

CT_VALUES: dict[str, dict[str, Attenuation]] = {
    "arterial": {**_NATIVE, **_ARTERIAL},
    "portal-venous": {**_NATIVE, **_PORTAL},
    "native": _NATIVE,
}

# Quantum noise in a 5 mm slice, HU: lower for routine body scans than for gated thin-slice
# cardiac scans; the usual noise index of abdominal protocols is 10 to 15 HU.
CT_NOISE: dict[str, tuple[float, float]] = {
    "arterial": (11, 19),
    "portal-venous": (9, 15),
    "native": (11, 18),
}
