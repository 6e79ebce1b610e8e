"""What an update says of its site, in the message's meta."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nvflare.apis.dxo import DXO

from fedgin.engine.site_weights import SiteFacts

MODALITY, CASES, SLICES = "fedgin_modality", "fedgin_cases", "fedgin_slices"
SITE_META_KEYS = (MODALITY, CASES, SLICES)
"""All keys of ours that a Learner writes into the meta of an update."""
PRIVACY = "fedgin_privacy"
"""Privacy loss of the run so far, `{"epsilon": ..., "delta": ...}`, from the site's filter."""
PRIVACY_BUDGET_SPENT = "PRIVACY_BUDGET_SPENT"
"""Return code of a site that sends no update because its privacy budget is spent."""
LARGEST = 1e12
"""A count above this is no number of slices; sums of such counts stay exact enough."""


def meta_values(facts: SiteFacts) -> dict[str, Any]:
    """Turns a site's facts into meta, under `SITE_META_KEYS`."""
    return {MODALITY: facts.modality, CASES: facts.cases, SLICES: facts.slices}


def read_meta(dxo: DXO) -> SiteFacts:
    """Reads what an update says of its site.

    Raises:
        ValueError: A value is missing, or none that a site may send.
    """
    modality = dxo.get_meta_prop(MODALITY)
    if modality not in ("CT", "MR"):
        raise ValueError(f"the modality {modality!r}, neither CT nor MR")
    return SiteFacts(modality=modality, cases=_count(dxo, CASES), slices=_count(dxo, SLICES))


def read_privacy(dxo: DXO) -> tuple[float, float] | None:
    """Reads the privacy loss that a site says its run has had.

    Returns:
        Epsilon and delta; None where the site has no such filter.

    Raises:
        ValueError: They are no epsilon and delta.
    """
    loss = dxo.get_meta_prop(PRIVACY)
    if loss is None:
        return None
    if not isinstance(loss, Mapping) or set(loss) != {"epsilon", "delta"}:
        raise ValueError(f"{PRIVACY} without epsilon and delta")
    epsilon, delta = loss["epsilon"], loss["delta"]
    if any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in (epsilon, delta)):
        raise ValueError(f"{PRIVACY} with other than numbers")
    if not (epsilon >= 0 and math.isfinite(epsilon) and 0 < delta < 1):
        raise ValueError(f"{PRIVACY} out of range")
    return float(epsilon), float(delta)


def _count(dxo: DXO, key: str) -> float:
    value = dxo.get_meta_prop(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{key} {value!r}, no number")
    if not 0 < value <= LARGEST:  # false for nan
        raise ValueError(f"{key} {value!r:.20}, not above 0 and at most {LARGEST:g}")
    return float(value)
