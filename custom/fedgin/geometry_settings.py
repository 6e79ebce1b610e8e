"""Settings laid over a job's, where a change of dimensions changes what the others mean."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

from fedgin.overrides import merge
from fedgin.settings import TrainingSettings
from fedgin.tasks import Geometry

logger = logging.getLogger(__name__)

DIMENSIONS = "spatial_dims"
GEOMETRY_KEYS = (*(field.name for field in dataclasses.fields(Geometry)), "window_batch")
"""Settings that belong to 2D or to 3D: what suits the one does not suit the other."""


def lay_over(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Lays overrides over training settings.

    Where they change `spatial_dims`, the base's spacing, patch, channels and batch sizes, which
    were chosen for the other number of dimensions, are left out unless the overrides set them: the
    defaults take their place, and the log says so.

    Args:
        base: A job's settings, or others that are whole.
        overrides: Settings that differ, nested as the base.
    """
    before = base.get(DIMENSIONS, TrainingSettings.model_fields[DIMENSIONS].default)
    after = overrides.get(DIMENSIONS, before)
    dropped = {
        key: base[key]
        for key in GEOMETRY_KEYS
        if after != before and base.get(key) is not None and key not in overrides
    }
    if dropped:
        logger.info(
            "%s is %s in place of %s: the defaults for it are taken in place of %s",
            DIMENSIONS,
            after,
            before,
            ", ".join(f"{key} {_text(value)}" for key, value in dropped.items()),
        )
    kept = {key: value for key, value in base.items() if key not in dropped}
    return merge(kept, dict(overrides))


def _text(value: Any) -> str:
    return str(list(value)) if isinstance(value, (list, tuple)) else str(value)
