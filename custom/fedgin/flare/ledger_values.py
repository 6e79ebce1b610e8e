"""Reading FLARE's messages for a site's ledger."""

from __future__ import annotations

from typing import Any

from nvflare.apis.dxo import DXO, from_shareable
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.shareable import ReservedHeaderKey, Shareable

from fedgin.fingerprint.document import read_summary
from fedgin.flare.site_meta import read_privacy
from fedgin.ledger.content import measure

NO_DXO = "not a DXO"


def answer_values(result: Shareable) -> dict[str, Any]:
    """Describes the answer to a task: code, kind, size and norm, as fields of an entry.

    An answer with an error code is measured like any other: it may carry data all the same.
    """
    content = measure(result, unpack=unpack)
    dxo = _dxo(result)
    code = result.get_return_code(ReturnCode.OK)
    meta = {} if dxo is None else dxo.meta or {}
    epsilon, delta = _privacy(dxo)
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
        "epsilon": epsilon,
        "delta": delta,
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


def _privacy_of_counts(dxo: DXO) -> tuple[float | None, float | None]:
    """Returns the privacy loss that a fingerprint states of itself; its delta is 0."""
    try:
        epsilon = read_summary(dxo.data).epsilon
    except ValueError:
        return None, None  # an answer of another kind
    return epsilon, None if epsilon is None else 0.0


def _privacy(dxo: DXO | None) -> tuple[float | None, float | None]:
    """Returns the privacy loss that a filter states; none where it states none that can be."""
    try:
        if dxo is None:
            return None, None
        return read_privacy(dxo) or _privacy_of_counts(dxo)
    except ValueError:
        return None, None
