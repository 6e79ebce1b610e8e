"""Taking the sites' answers of a round: what every aggregator of ours does, whatever they hold."""

from __future__ import annotations

import threading
from abc import abstractmethod

from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.abstract.aggregator import Aggregator
from nvflare.app_common.app_constant import AppConstants

from fedgin.engine.site_weights import SiteFacts
from fedgin.flare.context import Contribution, received_contribution
from fedgin.flare.record import RecordKeeper, find_record
from fedgin.flare.site_update import LateUpdate, check_round


class RoundAggregator(Aggregator):
    """Accepts each site's answer to the round in hand, once; log and record say what was refused.

    A late answer comes in another thread, perhaps while the round is put together: answers are
    taken under a lock, and none once the round is closed.
    """

    def __init__(self, record_id: str = "record") -> None:
        """Names the component that keeps the run's record."""
        super().__init__()
        self._record_id = record_id
        self._lock = threading.Lock()
        self._closed: int | None = None
        self._facts: dict[str, SiteFacts] = {}

    def accept(self, shareable: Shareable, fl_ctx: FLContext) -> bool:
        """Takes a site's update; one that breaks a rule is refused, and log and record say why."""
        try:
            contribution = received_contribution(shareable)
        except ValueError as error:
            self.log_error(fl_ctx, f"contribution refused: {error}", fire_event=False)
            return False
        current = current_round(fl_ctx)
        keeper = find_record(fl_ctx, self._record_id)
        try:
            with self._lock:
                check_round(contribution, current=current, closed=current == self._closed)
                if contribution.site in self._facts:
                    raise ValueError(f"{contribution.site} answered round {current + 1} twice")
                self._take(contribution, shareable, fl_ctx, keeper)
        except LateUpdate as error:
            self.log_warning(fl_ctx, f"contribution refused: {error}", fire_event=False)
            keeper.note_late(contribution.site, contribution.round_number, str(error))
            return False
        except ValueError as error:
            self.log_error(fl_ctx, f"contribution refused: {error}", fire_event=False)
            keeper.note_refused(contribution.site, current, str(error))
            self._note_refused(contribution.site)
            return False
        return True

    @abstractmethod
    def _take(
        self,
        contribution: Contribution,
        shareable: Shareable,
        fl_ctx: FLContext,
        keeper: RecordKeeper,
    ) -> None:
        """Checks and holds an answer to the open round, its facts in `_facts`; under the lock.

        Raises:
            ValueError: The answer breaks a rule.
        """

    def _note_refused(self, site: str) -> None:
        """Is told of a site whose answer to the open round broke a rule."""

    def _close_once(self, current: int) -> bool:
        """Ends a round: what comes from now on is late. Tells whether it was still open."""
        with self._lock:
            was_open = self._closed != current
            self._closed = current
        return was_open


def current_round(fl_ctx: FLContext) -> int:
    """Returns the server's round, from 0."""
    return int(fl_ctx.get_prop(AppConstants.CURRENT_ROUND))
