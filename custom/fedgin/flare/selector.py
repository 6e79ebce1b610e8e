"""Choosing the best global model: modalities count alike, however many sites each has."""

from __future__ import annotations

import math

from nvflare.apis.fl_context import FLContext
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.app_event_type import AppEventType
from nvflare.widgets.widget import Widget

from fedgin.flare.context import run_stopped
from fedgin.flare.record import RecordKeeper


class ModalityBalancedSelector(Widget):
    """Saves the global model whenever it scores best so far.

    The sites score the model that they receive, before they train on; the score is the mean over
    modalities of the mean over sites (`fedgin.engine.averaging.selection_score`). The last model
    gets its score in cross-site evaluation; see `fedgin.flare.report`.
    """

    def __init__(self, record_id: str = "record") -> None:
        """Names the component that keeps the run's record."""
        super().__init__()
        self._record_id = record_id

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Compares when the round's contributions are in; the global model is still the old one."""
        if event_type != AppEventType.BEFORE_AGGREGATION or run_stopped(fl_ctx):
            return
        keeper = fl_ctx.get_engine().get_component(self._record_id)
        if not isinstance(keeper, RecordKeeper):
            self.system_panic(f"component '{self._record_id}' must be a RecordKeeper", fl_ctx)
            return
        record = keeper.record
        finished = int(fl_ctx.get_prop(AppConstants.CURRENT_ROUND))
        score = record.score(record.validation.get(finished, {}))
        best = -math.inf if record.best_score is None else record.best_score
        if not math.isnan(score) and score > best:
            record.best_round, record.best_score = finished, score
            self.log_info(
                fl_ctx, f"best so far: {score:.4f} after {finished} rounds", fire_event=False
            )
            self.fire_event(AppEventType.GLOBAL_BEST_MODEL_AVAILABLE, fl_ctx)
