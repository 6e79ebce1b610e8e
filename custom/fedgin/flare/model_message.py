"""The model on its way between server and sites, alone or with SCAFFOLD's control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.shareable import Shareable
from nvflare.app_common.app_constant import AlgorithmConstants, AppConstants

from fedgin.errors import ConfigError, Problem

if TYPE_CHECKING:
    from fedgin.engine.trainer import RoundResult


def received_model(data: Shareable) -> tuple[Any, Any]:
    """Reads a task's weights and, from FLARE's ScatterAndGatherScaffold, the global control.

    Returns:
        Arrays by name, twice; None in place of a control that did not come.

    Raises:
        ConfigError: The task holds neither.
    """
    dxo = from_shareable(data)
    if dxo.data_kind == DataKind.WEIGHTS:
        return dxo.data, None
    parts = dxo.data if dxo.data_kind == DataKind.COLLECTION else {}
    weights = parts.get(AppConstants.MODEL_WEIGHTS)
    control = parts.get(AlgorithmConstants.SCAFFOLD_CTRL_GLOBAL)
    if not isinstance(weights, DXO) or not isinstance(control, DXO):
        raise ConfigError(
            Problem(
                "the server's task",
                "it must hold weights, or weights and a control",
                f"{dxo.data_kind} of {sorted(parts)}",
                "use a job made by `fedgin job export`",
            )
        )
    return weights.data, control.data


def answer(result: RoundResult) -> DXO:
    """Packs a round's result as the job's workflow expects it."""
    difference = DXO(data_kind=DataKind.WEIGHT_DIFF, data=result.difference)
    if result.control_difference is None:
        return difference
    control = DXO(data_kind=DataKind.WEIGHT_DIFF, data=result.control_difference)
    parts = {
        AppConstants.MODEL_WEIGHTS: difference,
        AlgorithmConstants.SCAFFOLD_CTRL_DIFF: control,
    }
    return DXO(data_kind=DataKind.COLLECTION, data=parts)
