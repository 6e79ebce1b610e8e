"""A site's answer to a train task, as the aggregator may use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from fedgin.engine.update_norms import WEIGHTS, group_of
from fedgin.flare.context import Contribution
from fedgin.flare.site_meta import read_meta, read_privacy

Arrays = Mapping[str, np.ndarray]
LARGEST_NUMBER = float(np.finfo(np.float32).max)
ROUNDING = 1e-3
"""Part of a variance that may be lost when its difference is rounded to float16."""
LONGEST_NAME = 60


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


def read_facts(contribution: Contribution, shareable: Shareable) -> SiteFacts:
    """Reads what an answer says of its site, whatever else it holds.

    Raises:
        ValueError: The answer is an error, or says something that cannot be.
    """
    code = shareable.get_return_code()
    if code and code != ReturnCode.OK:
        raise ValueError(f"{contribution.site} answered {code}")
    try:
        read_privacy(contribution.dxo)
        return read_meta(contribution.dxo)
    except ValueError as error:
        raise ValueError(f"{contribution.site} sent {error}") from None


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
    facts = read_facts(contribution, shareable)
    model = fl_ctx.get_prop(AppConstants.GLOBAL_MODEL)
    weights = None if model is None else model[ModelLearnableKey.WEIGHTS]
    difference, control = _parts(site, dxo, controls=controls)
    if weights is not None:
        _check_names(site, difference, control, set(weights))
    difference = _checked(site, difference, weights)
    control = None if control is None else _checked(site, control, weights)
    if weights is not None:
        difference = _with_real_variances(site, difference, weights)
    return SiteUpdate(site=site, facts=facts, difference=difference, control=control)


def _parts(
    site: str, dxo: DXO, *, controls: bool
) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
    if not controls:
        return _difference(site, dxo), None
    if dxo.data_kind != DataKind.COLLECTION or not isinstance(dxo.data, dict):
        raise ValueError(
            f"{site} sent {dxo.data_kind!s:.40}, not a weight difference with a control"
        )
    difference = _difference(site, dxo.data.get(AppConstants.MODEL_WEIGHTS))
    control = _difference(site, dxo.data.get(AlgorithmConstants.SCAFFOLD_CTRL_DIFF))
    if odd := control.keys() - difference.keys():
        raise ValueError(f"{site} sent controls of arrays that the model lacks: {_few(odd)}")
    return difference, control


def _difference(site: str, dxo: Any) -> Mapping[str, Any]:
    if not isinstance(dxo, DXO):
        raise ValueError(f"{site} sent {type(dxo).__name__}, not a weight difference")
    if dxo.data_kind != DataKind.WEIGHT_DIFF or not isinstance(dxo.data, dict) or not dxo.data:
        raise ValueError(f"{site} sent {dxo.data_kind!s:.40}, not a weight difference")
    if not all(isinstance(name, str) for name in dxo.data):
        raise ValueError(f"{site} sent arrays whose names are no texts")
    arrays: Mapping[str, Any] = dxo.data
    return arrays


def _check_names(
    site: str, difference: Mapping[str, Any], control: Mapping[str, Any] | None, names: set[str]
) -> None:
    if odd := names ^ difference.keys():
        raise ValueError(f"{site} sent other arrays than the model's: {_few(odd)}")
    if control is None:
        return
    # Sites whose controls have other names than each other's could not be averaged.
    trained = {name for name in names if group_of(name) == WEIGHTS}
    if odd := trained ^ control.keys():
        raise ValueError(f"{site} sent controls of other arrays than are trained: {_few(odd)}")


def _checked(site: str, arrays: Mapping[str, Any], weights: Mapping[str, Any] | None) -> Arrays:
    """Returns the arrays in float32, so that what a site sends cannot take more memory."""
    if broken := {name for name, array in arrays.items() if not _is_usable(array)}:
        raise ValueError(f"{site} sent values that are not finite in {_few(broken)}")
    if weights is not None:
        odd = {name for name in arrays if np.shape(weights[name]) != np.shape(arrays[name])}
        if odd:
            raise ValueError(f"{site} sent arrays of other shapes: {_few(odd)}")
    return {name: np.asarray(array).astype(np.float32) for name, array in arrays.items()}


def _is_usable(array: Any) -> bool:
    """Tells whether these are real numbers that float32 can hold."""
    if not isinstance(array, (np.ndarray, np.generic)) or array.dtype.kind not in "fiu":
        return False
    with np.errstate(over="ignore"):
        numbers = np.abs(array.astype(np.float64))
    # nan is no smaller than anything.
    return bool((numbers <= LARGEST_NUMBER).all())


def _with_real_variances(site: str, difference: Arrays, weights: Mapping[str, Any]) -> Arrays:
    """Sees to it that no variance falls below 0, where a model would answer nan.

    What rounding to float16 on the way may bring about is set to 0.
    """
    broken, made = set(), dict(difference)
    for name in difference:
        if name.rpartition(".")[2] != "running_var":
            continue
        before = np.asarray(weights[name], dtype=np.float32)
        if (before + difference[name] < -ROUNDING * np.abs(before) - ROUNDING**2).any():
            broken.add(name)
        made[name] = np.maximum(difference[name], -before)
    if broken:
        raise ValueError(f"{site} sent variances below 0: {_few(broken)}")
    return made


def _few(names: Iterable[str]) -> list[str]:
    """Shows names that a site chose: few and short ones, whatever it sent."""
    return [name[:LONGEST_NAME] for name in sorted(names)[:3]]
