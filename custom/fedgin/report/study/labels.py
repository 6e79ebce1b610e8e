"""One spelling of every name in words, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

AUGMENTATION_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "none": "none",
        "randconv-img": "RandConv (img)",
        "randconv-mix": "RandConv (mix)",
        "fourier-mix": "Fourier mix",
        "fda": "FDA square swap",
        "bezier": "Bézier curves",
        "dual-normalization": "Dual-Normalization",
        "gin": "GIN",
        "gin-batch": "GIN per batch",
        "gin-consistency": "GIN + consistency",
        "gin-ipa": "GIN + IPA",
    }
)
METRIC_LABELS: Mapping[str, str] = MappingProxyType(
    {"dice": "Dice", "hd95": "HD95 (mm)", "nsd": "Normalised surface Dice"}
)
# Populations of local training where train and test modality stand beside them.
SHORT_POPULATIONS: Mapping[str, str] = MappingProxyType(
    {
        "own site": "own site",
        "other training site, same modality": "other site",
        "unseen hospitals, same modality": "unseen hospitals",
        "training sites, other modality": "training sites",
        "unseen hospitals, other modality": "unseen hospitals",
    }
)


def augmentation_label(name: str) -> str:
    """Returns how an augmentation is written for a reader."""
    return AUGMENTATION_LABELS.get(name, name)


def augmentation_in_words(name: str) -> str:
    """Returns how an augmentation is named within a sentence."""
    return "no augmentation" if name == "none" else augmentation_label(name)


def class_label(name: str) -> str:
    """Returns how a structure is written for a reader."""
    return "mean over classes" if name == "mean" else name.replace("_", " ")
