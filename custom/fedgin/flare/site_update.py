"""A site's answer to a train task, as the aggregator may use it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, MetaKey
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.abstract.model import ModelLearnableKey
from nvflare.app_common.app_constant import AlgorithmConstants, AppConstants

from fedgin.flare.context import received_contribution

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class SiteUpdate:
    """What a site sent.

    Attributes:
        site: Name of the site.
        weight: Its weight in the average, above 0.
        difference: Weights after its round minus the global ones.
        control: The change of its SCAFFOLD control; None elsewhere.
    """

    site: str
    weight: float
    difference: Arrays
    control: Arrays | None


def read_update(shareable: Shareable, fl_ctx: FLContext, *, controls: bool) -> SiteUpdate:
    """Reads a train result and checks it against every rule.

    Args:
        shareable: The result.
        fl_ctx: Context with the current round and the global model.
        controls: Whether SCAFFOLD's controls must come along.

    Raises:
        ValueError: The result breaks a rule.
    """
    contribution = received_contribution(shareable)
    site, dxo = contribution.site, contribution.dxo
    code = shareable.get_return_code()
    if code and code != ReturnCode.OK:
        raise ValueError(f"{site} answered {code}")
    current = fl_ctx.get_prop(AppConstants.CURRENT_ROUND)
    if contribution.round_number != current:
        raise ValueError(f"{site} answered round {contribution.round_number} in round {current}")
    model = fl_ctx.get_prop(AppConstants.GLOBAL_MODEL)
    weights = None if model is None else model[ModelLearnableKey.WEIGHTS]
    difference, control = _parts(site, dxo, controls=controls)
    if weights is not None and (odd := sorted(weights.keys() ^ difference.keys())):
        raise ValueError(f"{site} sent other arrays than the model's: {odd[:3]}")
    for arrays in (difference, control or {}):
        _check_arrays(site, arrays, weights)
    weight = dxo.get_meta_prop(MetaKey.NUM_STEPS_CURRENT_ROUND)
    if not isinstance(weight, (int, float)) or not math.isfinite(weight) or weight <= 0:
        raise ValueError(f"{site} sent the weight {weight!r}, not above 0")
    return SiteUpdate(site=site, weight=float(weight), difference=difference, control=control)


def _parts(site: str, dxo: DXO, *, controls: bool) -> tuple[Arrays, Arrays | None]:
    if not controls:
        return _difference(site, dxo), None
    if dxo.data_kind != DataKind.COLLECTION or not isinstance(dxo.data, dict):
        raise ValueError(f"{site} sent {dxo.data_kind}, not a weight difference with a control")
    difference = _difference(site, dxo.data.get(AppConstants.MODEL_WEIGHTS))
    control = _difference(site, dxo.data.get(AlgorithmConstants.SCAFFOLD_CTRL_DIFF))
    if odd := sorted(control.keys() - difference.keys()):
        raise ValueError(f"{site} sent controls of arrays that the model lacks: {odd[:3]}")
    return difference, control


def _difference(site: str, dxo: Any) -> Arrays:
    if not isinstance(dxo, DXO):
        raise ValueError(f"{site} sent {type(dxo).__name__}, not a weight difference")
    if dxo.data_kind != DataKind.WEIGHT_DIFF or not dxo.data:
        raise ValueError(f"{site} sent {dxo.data_kind}, not a weight difference")
    arrays: Arrays = dxo.data
    return arrays


def _check_arrays(site: str, arrays: Arrays, weights: Arrays | None) -> None:
    if broken := [name for name, array in arrays.items() if not _is_finite(array)]:
        raise ValueError(f"{site} sent values that are not finite in {broken[:3]}")
    if weights is None:
        return
    odd = [name for name in arrays if np.shape(weights[name]) != np.shape(arrays[name])]
    if odd:
        raise ValueError(f"{site} sent arrays of other shapes: {odd[:3]}")


def _is_finite(array: Any) -> bool:
    numbers = np.asarray(array)
    return numbers.dtype.kind in "fiu" and bool(np.isfinite(numbers).all())
