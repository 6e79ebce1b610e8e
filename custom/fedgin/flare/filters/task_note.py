"""What a site's filters must know of the task whose answer they judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.filter import Filter
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.app_constant import AppConstants

from fedgin.flare.context import LINEAGE_HEADER
from fedgin.flare.filters.content import Shapes

_PROPERTY = "fedgin_task_note"


@dataclass(frozen=True)
class TaskNote:
    """A task as it came.

    Attributes:
        lineage: Name of the run; None in a task that names none.
        shapes: Shapes of the model's arrays by name; None where the task brings no readable model:
            the model is encrypted, say, or the task needs none.
    """

    lineage: str | None
    shapes: Shapes | None


class RememberTask(Filter):
    """A task_data filter that changes nothing: it notes the task for the filters of its answer.

    FLARE withdraws a task before its answer is filtered. The note lives as long as the task.
    """

    def process(self, shareable: Shareable, fl_ctx: FLContext) -> Shareable:
        """Notes run and shapes."""
        lineage = shareable.get_header(LINEAGE_HEADER)
        note = TaskNote(
            lineage=None if lineage is None else str(lineage), shapes=_shapes(shareable)
        )
        fl_ctx.set_prop(_PROPERTY, note, private=True, sticky=False)
        return shareable


def noted_task(fl_ctx: FLContext) -> TaskNote | None:
    """Returns the note of the task in hand, or None where no `RememberTask` saw it."""
    note = fl_ctx.get_prop(_PROPERTY)
    return note if isinstance(note, TaskNote) else None


def note_unpacked(fl_ctx: FLContext, arrays: Mapping[str, np.ndarray]) -> None:
    """Corrects the note of a task whose model came packed or encrypted, if there is one."""
    note = noted_task(fl_ctx)
    if note is not None:
        shapes = {name: array.shape for name, array in arrays.items()}
        fl_ctx.set_prop(_PROPERTY, replace(note, shapes=shapes), private=True, sticky=False)


def _shapes(shareable: Shareable) -> Shapes | None:
    try:
        dxo = from_shareable(shareable)
    except ValueError:
        return None
    if dxo.data_kind == DataKind.COLLECTION:
        dxo = dxo.data.get(AppConstants.MODEL_WEIGHTS)
    if not isinstance(dxo, DXO) or dxo.data_kind != DataKind.WEIGHTS:
        return None
    arrays = dxo.data
    if not arrays or not all(isinstance(array, np.ndarray) for array in arrays.values()):
        return None
    return {str(name): array.shape for name, array in arrays.items()}
