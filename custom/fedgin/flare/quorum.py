"""A round needs sites of each modality, and a run sites that annotate each class; else it stops."""

from __future__ import annotations

from collections.abc import Mapping

from nvflare.apis.event_type import EventType
from nvflare.apis.fl_context import FLContext
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.app_event_type import AppEventType
from nvflare.widgets.widget import Widget

from fedgin.config import parse
from fedgin.errors import FedginError
from fedgin.federation_settings import FederationSettings
from fedgin.flare.context import run_stopped
from fedgin.flare.record import find_record
from fedgin.report.quorum import never_annotated, shortage


class ModalityQuorum(Widget):
    """Stops the job where a round has too few updates of a modality.

    After a timeout FLARE's ScatterAndGather averages whatever came. This looks first: the model,
    its file and its checkpoint stay those of the round before, from which `fedgin job resume` goes
    on. Nor may a run go on in which some class of the task is annotated by no site at all. It must
    stand in the job before the component that chooses the best model, which would compare scores
    over other modalities.
    """

    def __init__(
        self, min_sites: Mapping[str, int] | None = None, record_id: str = "record"
    ) -> None:
        """Sets the numbers.

        Args:
            min_sites: Updates that a round needs, by modality: `{"ct": 1, "mr": 1}`.
            record_id: Component that keeps the run's record.

        Raises:
            ConfigError: A modality is unknown, or a number is no count.
        """
        super().__init__()
        rules = {} if min_sites is None else {"min_sites": min_sites}
        self._min_sites = parse(FederationSettings, rules, where="the quorum's arguments").min_sites
        self._record_id = record_id

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Counts when the round is closed; the average is not begun."""
        if event_type == EventType.START_RUN:
            try:
                find_record(fl_ctx, self._record_id)
            except FedginError as error:
                self.system_panic(str(error), fl_ctx)
        elif event_type == AppEventType.BEFORE_AGGREGATION and not run_stopped(fl_ctx):
            keeper = find_record(fl_ctx, self._record_id)
            number = int(fl_ctx.get_prop(AppConstants.CURRENT_ROUND))
            with keeper.lock:
                reason = shortage(keeper.record, number, self._min_sites)
                reason = reason or never_annotated(keeper.record)
            if reason:
                self.system_panic(reason, fl_ctx)
