"""SCAFFOLD's workflow that can go on from a checkpoint."""

from __future__ import annotations

from nvflare.apis.fl_context import FLContext
from nvflare.app_common.app_event_type import AppEventType
from nvflare.app_common.workflows.scatter_and_gather_scaffold import ScatterAndGatherScaffold

from fedgin.engine.checkpoint import load_checkpoint
from fedgin.errors import FedginError
from fedgin.flare.job_files import carried_checkpoint


class ResumableScaffold(ScatterAndGatherScaffold):
    """FLARE's own workflow; its global control starts from the checkpoint's where there is one.

    A site's error ends a round only where too few others are left, as in ScatterAndGather: FLARE's
    SCAFFOLD forgets to count the sites and would stop the job at the first error.
    """

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Counts the sites of the round that begins."""
        super().handle_event(event_type, fl_ctx)
        if event_type == AppEventType.ROUND_STARTED:
            self._current_failed_clients: set[str] = set()
            self._current_num_targets = len(fl_ctx.get_engine().get_clients())

    def start_controller(self, fl_ctx: FLContext) -> None:
        """Loads the control after FLARE has set it to zero."""
        super().start_controller(fl_ctx)
        file = carried_checkpoint(fl_ctx)
        if file is None or self._global_ctrl_weights is None:
            return
        try:
            control = load_checkpoint(file).control
        except FedginError as error:
            self.system_panic(str(error), fl_ctx)
            return
        if control is not None:
            self._global_ctrl_weights.update(control)
