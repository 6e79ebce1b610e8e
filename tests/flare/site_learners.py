"""Sites that do not do what they should; jobs of the tests name these classes.

A job may name any class: this file lies in such a job's app/custom.
"""

from __future__ import annotations

import time
from pathlib import Path

from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.signal import Signal
from nvflare.app_common.app_constant import AppConstants

from fedgin.flare.learner import BEFORE_TRAIN, SiteLearner


class SlowLearner(SiteLearner):
    """One site is slow in the first round, until the server has closed it, and mute at the end."""

    def __init__(self, site: str, closed: str, log_writer_id: str = "log_writer") -> None:
        """Names the site, and a file that the server writes when the first round is over."""
        super().__init__(log_writer_id)
        self._site = site
        self._closed = Path(closed)

    def train(self, data: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        """Begins the first round when it is over."""
        if self._is_it(fl_ctx) and data.get_header(AppConstants.CURRENT_ROUND) == 0:
            while not (self._closed.exists() or abort_signal.triggered):
                time.sleep(0.1)
        return super().train(data, fl_ctx, abort_signal)

    def validate(self, data: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        """Never ends the final evaluation."""
        final = data.get_header(AppConstants.VALIDATE_TYPE) != BEFORE_TRAIN
        while final and self._is_it(fl_ctx) and not abort_signal.triggered:
            time.sleep(0.1)
        return super().validate(data, fl_ctx, abort_signal)

    def _is_it(self, fl_ctx: FLContext) -> bool:
        return bool(fl_ctx.get_identity_name() == self._site)


class FailingLearner(SiteLearner):
    """One site fails in the second round."""

    def __init__(self, site: str, log_writer_id: str = "log_writer") -> None:
        """Names the site."""
        super().__init__(log_writer_id)
        self._site = site

    def train(self, data: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        """Answers with an error in the second round."""
        if (
            fl_ctx.get_identity_name() == self._site
            and data.get_header(AppConstants.CURRENT_ROUND) == 1
        ):
            return make_reply(ReturnCode.EXECUTION_EXCEPTION)
        return super().train(data, fl_ctx, abort_signal)
