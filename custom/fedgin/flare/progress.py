"""A run's progress in the server's log, line by line: who contributed, what was measured."""

from __future__ import annotations

import math
import time

from nvflare.apis.dxo import MetaKey
from nvflare.apis.fl_context import FLContext
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.app_event_type import AppEventType
from nvflare.widgets.widget import Widget

from fedgin.flare.context import received_contribution
from fedgin.report.run_record import SiteMetrics, dice_of


class RoundProgress(Widget):
    """Writes a line to the job's log on the server whenever a round moves on."""

    def __init__(self) -> None:
        """Starts with no round."""
        super().__init__()
        self._last_round = 0
        self._began = 0.0

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Says what an event means."""
        if event_type == AppEventType.TRAINING_STARTED:
            first = int(fl_ctx.get_prop(AppConstants.START_ROUND, 0))
            self._last_round = first + int(fl_ctx.get_prop(AppConstants.NUM_ROUNDS, 0))
        elif event_type == AppEventType.ROUND_STARTED:
            self._began = time.monotonic()
            self._say(f"{self._round(fl_ctx)}: begins", fl_ctx)
        elif event_type == AppEventType.AFTER_CONTRIBUTION_ACCEPT:
            self._say_contribution(fl_ctx)
        elif event_type == AppEventType.ROUND_DONE:
            seconds = time.monotonic() - self._began
            self._say(f"{self._round(fl_ctx)}: ended after {seconds:.0f} s", fl_ctx)
        elif event_type == AppEventType.VALIDATION_RESULT_RECEIVED:
            model = fl_ctx.get_prop(AppConstants.MODEL_OWNER)
            site = fl_ctx.get_prop(AppConstants.DATA_CLIENT)
            self._say(f"evaluation: {site} has measured {model}", fl_ctx)

    def _say_contribution(self, fl_ctx: FLContext) -> None:
        contribution = received_contribution(fl_ctx.get_prop(AppConstants.TRAINING_RESULT))
        accepted = fl_ctx.get_prop(AppConstants.AGGREGATION_ACCEPTED)
        text = f"{contribution.site} contributed" if accepted else f"{contribution.site} refused"
        try:
            message = contribution.dxo.get_meta_prop(MetaKey.INITIAL_METRICS)
            dice = dice_of(SiteMetrics.from_message(message).validation)
            if not math.isnan(dice):
                text += f"; the global model's Dice on its validation patients was {dice:.3f}"
        except ValueError:
            pass  # the record says what was wrong with the metrics
        self._say(f"{self._round(fl_ctx)}: {text}", fl_ctx)

    def _round(self, fl_ctx: FLContext) -> str:
        return f"round {int(fl_ctx.get_prop(AppConstants.CURRENT_ROUND)) + 1} of {self._last_round}"

    def _say(self, text: str, fl_ctx: FLContext) -> None:
        self.log_info(fl_ctx, text, fire_event=False)
