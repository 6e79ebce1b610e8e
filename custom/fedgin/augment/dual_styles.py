"""The two styles that Dual-Normalization trains on: one like the source, one unlike it.

Source: Zhou et al., "Generalizable Cross-modality Medical Image Segmentation via Style Augmentation
and Dual Normalization", CVPR 2022 (arXiv 2112.11177), with the curves of the released code.
"""

from __future__ import annotations

from fedgin.augment.bezier import Bezier

# Inner control points of the released curves, moved from [-1, 1] to [0, 1]; the first is straight.
CURVES = (
    (0.0, 0.0, 1.0, 1.0),
    (0.25, 0.75, 0.75, 0.25),
    (0.125, 0.875, 0.875, 0.125),
)


def dual_styles() -> tuple[Bezier, Bezier]:
    """Builds the transforms of the source-similar and of the source-dissimilar view.

    Similar is one of three rising curves, the straight one among them, so a third of these images
    stays as it is; dissimilar is one of the same three inverted, where the background, the darkest
    intensity, stays dark. The released code makes the six images of each slice beforehand and draws
    among them; here each sample draws its curve at each step.
    """
    similar = Bezier(probability=1.0, inverted=False, curves=CURVES)
    dissimilar = Bezier(probability=1.0, inverted=True, curves=CURVES, keep_minimum=True)
    return similar, dissimilar
