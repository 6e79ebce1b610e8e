"""A site whose Learner leaks wherever it can, and a tap on everything that its process sends.

It lies in the app/custom of a test's job.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from nvflare.apis.dxo import DataKind, from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal
from nvflare.app_common.app_constant import AppConstants
from nvflare.fuel.f3.sfm.sfm_conn import SfmConnection

from fedgin.flare.learner import SiteLearner

CANARY = "Mustermann^Erika"


class LeakingLearner(SiteLearner):
    """Trains as usual and puts a name and its raw update where they do not belong."""

    def __init__(self, tap: str, failing_site: str, log_writer_id: str = "log_writer") -> None:
        """Names a folder for what was recorded, and the site that fails in the second round."""
        super().__init__(log_writer_id)
        self._tap = Path(tap)
        self._failing_site = failing_site

    def initialize(self, parts: dict[str, Any], fl_ctx: FLContext) -> None:
        """Taps the connections of this process, below everything that FLARE sends."""
        tap_connections(self._tap / f"sent-{fl_ctx.get_identity_name()}-{os.getpid()}")
        super().initialize(parts, fl_ctx)

    def train(self, data: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        """Leaks by headers, keys and meta; one site then fails with a name in its error."""
        number = int(data.get_header(AppConstants.CURRENT_ROUND))
        if number == 1 and fl_ctx.get_identity_name() == self._failing_site:
            raise OSError(f"/data/{CANARY}.nii.gz")
        answer = super().train(data, fl_ctx, abort_signal)
        dxo = from_shareable(answer)
        self._keep("raw", dxo.data, fl_ctx)
        dxo.set_meta_prop("note", CANARY)
        answer = dxo.to_shareable()
        answer.set_header("note", CANARY)
        answer["note"] = {**dxo.data, "name": CANARY}
        return answer

    def get_model_for_validation(self, model_name: str, fl_ctx: FLContext) -> Shareable:
        """Sends the site's own model, if it may."""
        answer = super().get_model_for_validation(model_name, fl_ctx)
        self._keep("raw-model", from_shareable(answer).data, fl_ctx)
        return answer

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Keeps what the filters let through."""
        if event_type == EventType.AFTER_TASK_RESULT_FILTER:
            answer = fl_ctx.get_prop(FLContextKey.TASK_RESULT)
            if "DXO" in answer and from_shareable(answer).data_kind == DataKind.WEIGHT_DIFF:
                self._keep("filtered", from_shareable(answer).data, fl_ctx)

    def _keep(self, what: str, arrays: dict[str, np.ndarray], fl_ctx: FLContext) -> None:
        name = f"{what}-{fl_ctx.get_identity_name()}"
        number = len(list(self._tap.glob(f"{name}-*")))
        np.savez(self._tap / f"{name}-{number}.npz", **arrays)  # type: ignore[arg-type]


def tap_connections(file: Path) -> None:
    """Writes every frame that this process sends from now on into a file."""
    send = SfmConnection.send_frame

    def record(self: SfmConnection, prefix: Any, headers: Any, payload: Any) -> Any:
        with file.open("ab") as output:
            output.write(repr(headers).encode() + (b"" if payload is None else bytes(payload)))
        return send(self, prefix, headers, payload)

    SfmConnection.send_frame = record
