"""The limits of the rules, in one place."""

from __future__ import annotations

MAX_TILT_DEGREES = 25.0
"""Above, slices that count as axial are cut obliquely, as those of a heart's short axis."""
SPACING_FACTOR = 1.5
SPACING_DEVIATIONS = 5.0
FEWEST_FOR_SPACING = 5
"""Of fewer cases a median says too little."""
TINY_VOXELS = 10
TINY_ML = 0.1
"""A tenth of a thousandth of a liver: a slip of the brush rather than an organ."""
MIXED_SPREADS = 2.0
"""Kidneys are about eight of their own spreads apart, muscles beside the spine five."""
EMPTY_PLANES = 2
"""A thin bridge between parts of an organ may be lost in one plane."""
