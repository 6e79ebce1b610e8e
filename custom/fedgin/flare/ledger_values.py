"""Reading FLARE's messages for a site's ledger."""

from __future__ import annotations

import math
from typing import Any

from nvflare.apis.dxo import DXO, from_shareable
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.shareable import ReservedHeaderKey, Shareable

from fedgin.ledger.content import measure

EPSILON_META, DELTA_META = "fedgin_epsilon", "fedgin_delta"
"""Keys in the meta of an answer under which a filter states the privacy loss so far."""
NO_DXO = "not a DXO"


def answer_values(result: Shareable) -> dict[str, Any]:
    """Describes the answer to a task: code, kind, size and norm, as fields of an entry.

    An answer with an error code is measured like any other: it may carry data all the same.
    """
    content = measure(result, unpack=unpack)
    dxo = _dxo(result)
    code = result.get_return_code(ReturnCode.OK)
    meta = {} if dxo is None else dxo.meta or {}
    return {
        "task": str(result.get_header(ReservedHeaderKey.TASK_NAME, "")),
        "code": str(code),
        "kind": _kind(dxo, code),
        "bytes": content.bytes,
        "arrays": content.arrays,
        "values": content.values,
        "norm": content.norm,
        "finite": content.finite,
        "meta": tuple(sorted(map(str, meta))),
        "uncounted": content.uncounted or None,
        "epsilon": _number(meta.get(EPSILON_META)),
        "delta": _number(meta.get(DELTA_META)),
    }


def content_bytes(message: Any) -> int:
    """Measures the content of a message."""
    return measure(message, unpack=unpack).bytes


def unpack(value: Any) -> Any:
    """Turns a DXO into its parts."""
    return [value.data_kind, value.data, value.meta] if isinstance(value, DXO) else value


def _dxo(result: Shareable) -> DXO | None:
    try:
        return from_shareable(result)
    except ValueError:
        return None


def _kind(dxo: DXO | None, code: str) -> str | None:
    if dxo is not None:
        return str(getattr(dxo.data_kind, "value", dxo.data_kind))  # an Enum until it was sent
    return NO_DXO if code == ReturnCode.OK else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)
