"""The base of all our filters on what leaves a site: it refuses what it does not understand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
from nvflare.apis.filter import ContentBlockedException, Filter
from nvflare.apis.fl_constant import FLContextKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.app_common.app_constant import AlgorithmConstants, AppConstants

from fedgin.flare.delivery import DELIVER_TASK, RECEIPT_KEY
from fedgin.flare.filters.content import (
    FLOATS_AND_COUNTS,
    check_arrays,
    clean_facts,
    clean_fingerprint,
    clean_metrics,
    clean_receipt,
)
from fedgin.flare.filters.task_note import noted_task
from fedgin.flare.fingerprint.executor import FINGERPRINT_TASK
from fedgin.flare.site_meta import PRIVACY, PRIVACY_BUDGET_SPENT

Arrays = Mapping[str, np.ndarray]

KNOWN_CODES = frozenset(
    {value for key, value in vars(ReturnCode).items() if key.isupper()} | {PRIVACY_BUDGET_SPENT}
)
NO_FINGERPRINT, NOISY_FINGERPRINT = "none", "noisy"
FINGERPRINTS = (NO_FINGERPRINT, NOISY_FINGERPRINT, "any")
_PRIVACY_PROPERTY = "fedgin_privacy_loss"
_UPDATE, _CONTROL = AppConstants.MODEL_WEIGHTS, AlgorithmConstants.SCAFFOLD_CTRL_DIFF


class AnswerOnly(Exception):
    """Ends a task with a code and nothing else."""

    def __init__(self, code: str) -> None:
        """Names the code, one of `KNOWN_CODES`."""
        super().__init__(code)
        self.code = code


class FailClosedFilter(Filter):
    """Rebuilds a site's answer from what is allowed, and raises on anything else.

    FLARE's own DXOFilter lets a non-OK return code, a Shareable that is no DXO and an unlisted kind
    through untouched. This one raises; FLARE then answers TASK_RESULT_FILTER_ERROR and sends no
    data. An answer with a code leaves as the bare code. Every answer is a new Shareable: headers
    and keys beside the DXO are gone, and its meta is reduced to an allow-list.

    A filter overrides `change`. What that returns is checked like what came.
    """

    needs_task = False
    """Whether a `RememberTask` must have seen the task."""

    def __init__(
        self, *, models: bool = False, controls: bool = False, fingerprints: str = NO_FINGERPRINT
    ) -> None:
        """Says what may pass beside updates, metrics and receipts.

        Args:
            models: Whether a site's full weights may (task `submit_model`).
            controls: Whether SCAFFOLD's controls may, beside an update.
            fingerprints: Whether counts of the site's data may (task `fingerprint`): `none`,
                `noisy` for such as have noise, or `any`.

        Raises:
            ValueError: `fingerprints` is none of these.
        """
        super().__init__()
        if fingerprints not in FINGERPRINTS:
            raise ValueError(f"fingerprints must be one of {', '.join(FINGERPRINTS)}")
        self._models = models
        self._controls = controls
        self._fingerprints = fingerprints

    def change(self, update: Arrays, fl_ctx: FLContext) -> Arrays:
        """Changes a checked update, without writing into it; it may raise `AnswerOnly`."""
        return update

    def change_control(self, control: Arrays, fl_ctx: FLContext) -> Arrays:
        """Changes a checked control, where controls may pass."""
        return control

    def process(self, shareable: Shareable, fl_ctx: FLContext) -> Shareable:
        """Filters a site's answer to a task.

        Raises:
            ContentBlockedException: Whatever went wrong; FLARE sends a code and no data.
        """
        try:
            return self._filtered(shareable, fl_ctx)
        except AnswerOnly as answer:
            return make_reply(answer.code)
        except Exception as error:
            # Any other class could mean something to FLARE, such as an unsafe job.
            raise ContentBlockedException(f"{type(self).__name__}: {error}") from error

    def _filtered(self, shareable: Shareable, fl_ctx: FLContext) -> Shareable:
        if not isinstance(shareable, Shareable):
            raise ValueError(f"an answer must be a Shareable; found {type(shareable).__name__}")
        code = shareable.get_return_code()
        if code != ReturnCode.OK:
            known = [word for word in KNOWN_CODES if type(code) is str and word == code]
            return make_reply(known[0] if known else ReturnCode.EXECUTION_EXCEPTION)
        dxo = from_shareable(shareable)
        task = fl_ctx.get_prop(FLContextKey.TASK_NAME)
        kind, data = self._content(task, DataKind(dxo.data_kind), dxo.data, fl_ctx)
        meta = self._meta(dxo, fl_ctx) if task == AppConstants.TASK_TRAIN else {}
        return DXO(data_kind=kind, data=data, meta=meta).to_shareable()

    def _content(
        self, task: Any, kind: DataKind, data: Any, fl_ctx: FLContext
    ) -> tuple[DataKind, dict[str, Any]]:
        if task == AppConstants.TASK_TRAIN and kind == DataKind.WEIGHT_DIFF:
            return kind, self._update(data, fl_ctx)
        if task == AppConstants.TASK_TRAIN and kind == DataKind.COLLECTION and self._controls:
            return kind, self._collection(data, fl_ctx)
        if task == AppConstants.TASK_VALIDATION and kind == DataKind.METRICS:
            return kind, clean_metrics(data)
        if task == DELIVER_TASK and kind == DataKind.METRICS:
            return kind, clean_receipt(data, key=RECEIPT_KEY)
        if (
            task == FINGERPRINT_TASK
            and kind == DataKind.METRICS
            and self._fingerprints != NO_FINGERPRINT
        ):
            return kind, clean_fingerprint(data, noisy=self._fingerprints == NOISY_FINGERPRINT)
        if task == AppConstants.TASK_SUBMIT_MODEL and kind == DataKind.WEIGHTS and self._models:
            return kind, dict(check_arrays(data, dtypes=FLOATS_AND_COUNTS))
        name = task if isinstance(task, str) else type(task).__name__
        raise ValueError(f"{kind.value} may not leave in answer to task {name[:40]!r}")

    def _update(self, arrays: Any, fl_ctx: FLContext) -> dict[str, np.ndarray]:
        note = noted_task(fl_ctx)
        if note is None and self.needs_task:
            raise ValueError("RememberTask must stand among the scope's task_data_filters")
        shapes = None if note is None else note.shapes
        if shapes is None and self.needs_task:
            raise ValueError("an update must answer a task with a model, whose arrays are known")
        update = check_arrays(arrays, shapes=shapes)
        changed = check_arrays(self.change(update, fl_ctx))
        if {n: a.shape for n, a in changed.items()} != {n: a.shape for n, a in update.items()}:
            raise ValueError("a filter must keep names and shapes")
        return changed

    def _collection(self, parts: Any, fl_ctx: FLContext) -> dict[str, Any]:
        if not isinstance(parts, dict) or set(parts) != {_UPDATE, _CONTROL}:
            raise ValueError("a collection must be an update with a control")
        for part in parts.values():
            if not isinstance(part, DXO) or part.data_kind != DataKind.WEIGHT_DIFF:
                raise ValueError("an update and a control must be weight differences")
        update = self._update(parts[_UPDATE].data, fl_ctx)
        control = check_arrays(parts[_CONTROL].data)
        if any(name not in update or a.shape != update[name].shape for name, a in control.items()):
            raise ValueError("a control must have names and shapes of the update")
        changed = check_arrays(self.change_control(control, fl_ctx))
        return {
            _UPDATE: DXO(data_kind=DataKind.WEIGHT_DIFF, data=update),
            _CONTROL: DXO(data_kind=DataKind.WEIGHT_DIFF, data=changed),
        }

    def _meta(self, dxo: DXO, fl_ctx: FLContext) -> dict[str, Any]:
        meta = dxo.meta or {}
        clean = clean_facts(meta, steps_key=MetaKey.NUM_STEPS_CURRENT_ROUND)
        # FLARE writes 0 where the model was not measured before training.
        if metrics := meta.get(MetaKey.INITIAL_METRICS):
            clean[MetaKey.INITIAL_METRICS] = clean_metrics(metrics, parts=("validation",))
        # What a filter of this chain has noted, never what the answer says of itself.
        if (loss := fl_ctx.get_prop(_PRIVACY_PROPERTY)) is not None:
            clean[PRIVACY] = {key: float(loss[key]) for key in ("epsilon", "delta")}
        return clean


def note_privacy_loss(fl_ctx: FLContext, *, epsilon: float, delta: float) -> None:
    """Notes the privacy loss of a run so far, for the meta of the answer in hand."""
    loss = {"epsilon": float(epsilon), "delta": float(delta)}
    fl_ctx.set_prop(_PRIVACY_PROPERTY, loss, private=True, sticky=False)
