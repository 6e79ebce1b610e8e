"""What each rule asks for, in words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fedgin.check.limits import (
    EMPTY_PLANES,
    FEWEST_FOR_SPACING,
    MAX_TILT_DEGREES,
    MIXED_SPREADS,
    SPACING_DEVIATIONS,
    SPACING_FACTOR,
    TINY_ML,
    TINY_VOXELS,
)
from fedgin.check.pieces import ONE_PIECE
from fedgin.data.adult_organs import LEAST, MOST

RULES: Mapping[str, str] = MappingProxyType(
    {
        "listing": "The cases of the site's file can be listed.",
        "task": "The site names every structure of the task, unless it only tests or the setting "
        "partial_labels lets it lack some; one at least where it trains.",
        "beside": "Every NIfTI file in the folders of a site's patterns belongs to a case.",
        "unreadable": "Image and label map can be read to their last voxel.",
        "lost": "The process that reads a case lives to its end.",
        "geometry": "Image and label map lie on the same grid.",
        "intensity": "The intensities are those of the site's modality.",
        "label values": "Every label value has a name in the site's file.",
        "splits": "Every patient is in one split, and there is one to train on.",
        "orientation": f"No axis is turned by more than {MAX_TILT_DEGREES:g} degrees against the "
        "patient's axes, and the header says more than 1 mm voxels from 0.",
        "spacing": "Along each of the patient's axes a case's spacing lies near the set's median: "
        f"an outlier is off by a factor of more than {SPACING_FACTOR:g}, and by more than "
        f"{SPACING_DEVIATIONS:g} robust standard deviations (1.4826 median absolute deviations) "
        f"of the logarithm; sets of {FEWEST_FOR_SPACING} cases or more.",
        "left and right": "Of two organs named _left and _right, the right one's centre lies "
        "further to the patient's right, and the two are no mixture: the centres lie at least "
        f"{MIXED_SPREADS:g} times their mean spread (standard deviation) apart. Heart chambers are "
        "not judged: they lie obliquely.",
        "sides": "Liver, gallbladder and right kidney lie to the patient's right of the spleen, "
        "the left kidney to the left of the liver: a hint, since some patients are mirrored.",
        "empty": "A label map holds at least one of the structures that the site names.",
        "never": "Every structure that the site names occurs in some case.",
        "tiny": f"A structure that is there has at least {TINY_VOXELS} voxels and {TINY_ML:g} ml, "
        "unless the volume's face cuts it.",
        "volume": f"An organ's volume lies between {LEAST:g} of the reference woman's and {MOST:g} "
        "times the reference man's (masses of ICRP Publication 89 at 1.05 g/ml). Cut by the "
        "volume's face, it may be smaller; a gallbladder may be nearly empty.",
        "pieces": "Along each axis of the volume an organ that is one piece in everybody fills its "
        f"planes, but for fewer than {EMPTY_PLANES}: " + ", ".join(ONE_PIECE) + ".",
        "same image": "No image stands twice, whatever the files' names and orientation.",
        "one patient, two ids": "No image stands under two patients.",
        "same label map": "No two patients have the same label map, beside different images.",
    }
)
