"""A site's answer to a train task, as the aggregator may use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.abstract.model import ModelLearnableKey
from nvflare.app_common.app_constant import AlgorithmConstants, AppConstants

from fedgin.engine.site_weights import SiteFacts
from fedgin.flare.context import Contribution
from fedgin.flare.site_meta import read_meta, read_privacy
from fedgin.privacy.precision import widen_halves

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class SiteUpdate:
    """What a site sent.

    Attributes:
        site: Name of the site.
        facts: What it says of its data.
        difference: Weights after its round minus the global ones; what came in float16 is float32.
        control: The change of its SCAFFOLD control, likewise; None elsewhere.
    """

    site: str
    facts: SiteFacts
    difference: Arrays
    control: Arrays | None


class LateUpdate(ValueError):
    """An answer to a round that is over."""


def check_round(contribution: Contribution, *, current: int, closed: bool) -> None:
    """Checks that an answer belongs to the round that the server waits for.

    Args:
        contribution: The answer.
        current: The server's round.
        closed: Whether that round's average has been begun.

    Raises:
        LateUpdate: Its round is over.
        ValueError: It names a round that has not begun.
    """
    site, number = contribution.site, contribution.round_number
    if number > current:
        raise ValueError(f"{site} answered round {number + 1} in round {current + 1}")
    if number < current or closed:
        raise LateUpdate(f"{site} answered round {number + 1} when it was over")


def read_update(
    contribution: Contribution, shareable: Shareable, fl_ctx: FLContext, *, controls: bool
) -> SiteUpdate:
    """Reads a train result and checks it against every rule but that of its round.

    Args:
        contribution: The result's site and content.
        shareable: The result.
        fl_ctx: Context with the current round and the global model.
        controls: Whether SCAFFOLD's controls must come along.

    Raises:
        ValueError: The result breaks a rule.
    """
    site, dxo = contribution.site, contribution.dxo
    code = shareable.get_return_code()
    if code and code != ReturnCode.OK:
        raise ValueError(f"{site} answered {code}")
    try:
        facts = read_meta(dxo)
        read_privacy(dxo)
    except ValueError as error:
        raise ValueError(f"{site} sent {error}") from None
    model = fl_ctx.get_prop(AppConstants.GLOBAL_MODEL)
    weights = None if model is None else model[ModelLearnableKey.WEIGHTS]
    difference, control = _parts(site, dxo, controls=controls)
    if weights is not None and (odd := sorted(weights.keys() ^ difference.keys())):
        raise ValueError(f"{site} sent other arrays than the model's: {odd[:3]}")
    for arrays in (difference, control or {}):
        _check_arrays(site, arrays, weights)
    return SiteUpdate(
        site=site,
        facts=facts,
        difference=widen_halves(difference),
        control=None if control is None else widen_halves(control),
    )


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
