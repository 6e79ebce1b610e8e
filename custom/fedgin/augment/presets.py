"""The augmentations that a study compares, by name: settings, a description and a source each."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from fedgin.config import nearest
from fedgin.errors import ConfigError, Problem

Value = TypeVar("Value")


@dataclass(frozen=True)
class PresetText:
    """What a report says about a preset.

    Attributes:
        description: One line on what a training step does.
        sources: The publications that it comes from.
    """

    description: str
    sources: tuple[str, ...]


PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "none": {"augmentation": "none"},
        "randconv-img": {"augmentation": "randconv", "randconv": {"mode": "img"}},
        "randconv-mix": {"augmentation": "randconv", "randconv": {"mode": "mix"}},
        "fourier-mix": {"augmentation": "fourier", "fourier": {"mode": "mix"}},
        "fda": {"augmentation": "fourier", "fourier": {"mode": "swap"}},
        "bezier": {"augmentation": "bezier"},
        "dual-normalization": {"augmentation": "dual_normalization"},
        "gin": {"augmentation": "gin"},
        "gin-batch": {"augmentation": "gin", "gin": {"draw": "per_batch"}},
        "gin-consistency": {"augmentation": "gin", "gin": {"consistency": 10.0}},
        "gin-ipa": {"augmentation": "gin", "gin": {"consistency": 10.0, "ipa": True}},
    }
)

_RANDCONV = "Xu et al., ICLR 2021 (arXiv 2007.13003)"
_FACT = "Xu et al., CVPR 2021 (FACT, arXiv 2105.11120)"
_FEDDG = "Liu et al., CVPR 2021 (FedDG, arXiv 2103.06030)"
_FDA = "Yang and Soatto, CVPR 2020 (FDA, arXiv 2004.05498)"
_BEZIER = "Zhou et al., MICCAI 2019 (Models Genesis, arXiv 1908.06912)"
_DUAL = "Zhou et al., CVPR 2022 (Dual-Normalization, arXiv 2112.11177)"
_GIN = "Ouyang et al., IEEE TMI 2022 (arXiv 2111.12525)"
_FEDGIN = "FedGIN (arXiv 2508.05137)"

TEXTS: Mapping[str, PresetText] = MappingProxyType(
    {
        "none": PresetText("No intensity augmentation.", ()),
        "randconv-img": PresetText(
            "One random linear convolution of the batch, or none, half of the time each; three "
            "views, consistency 5.",
            (_RANDCONV,),
        ),
        "randconv-mix": PresetText(
            "The batch blended with one random linear convolution of it; three views, "
            "consistency 10.",
            (_RANDCONV,),
        ),
        "fourier-mix": PresetText(
            "Amplitude spectrum mixed with that of another image of the same site's batch, phase "
            "kept.",
            (_FACT, _FEDDG),
        ),
        "fda": PresetText(
            "Low-frequency amplitudes taken from another image of the same site's batch.", (_FDA,)
        ),
        "bezier": PresetText(
            "A random smooth intensity curve for half of the images, half of the curves falling.",
            (_BEZIER,),
        ),
        "dual-normalization": PresetText(
            "A rising and a falling intensity curve of each image, each with normalization layers "
            "of its own.",
            (_DUAL,),
        ),
        "gin": PresetText("GIN: a random shallow network per image, one view.", (_GIN,)),
        "gin-batch": PresetText(
            "GIN with one random network for the whole batch, one view.", (_GIN, _FEDGIN)
        ),
        "gin-consistency": PresetText("GIN with three views, consistency 10.", (_GIN,)),
        "gin-ipa": PresetText(
            "GIN whose copies are blended by a smooth random map (IPA); three views, "
            "consistency 10.",
            (_GIN,),
        ),
    }
)


def preset(name: str) -> dict[str, Any]:
    """Returns the overrides of the training settings that a preset stands for.

    Returns:
        A nested mapping of its own, as `--set` gives it, ready for `fedgin.overrides.merge`.

    Raises:
        ConfigError: No preset has this name; the error names the nearest.
    """
    return copy.deepcopy(dict(_find(name, PRESETS)))


def preset_text(name: str) -> PresetText:
    """Returns what a report says about a preset.

    Raises:
        ConfigError: No preset has this name; the error names the nearest.
    """
    return _find(name, TEXTS)


def _find(name: str, table: Mapping[str, Value]) -> Value:
    if name not in table:
        raise ConfigError(
            Problem(
                f"augmentation '{name}'",
                "the augmentation of a study must be a known preset",
                f"'{name}'",
                nearest(name, table),
            )
        )
    return table[name]
