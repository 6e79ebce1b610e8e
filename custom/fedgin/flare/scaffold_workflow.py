"""SCAFFOLD's workflow that can go on from a checkpoint."""

from __future__ import annotations

from nvflare.apis.fl_context import FLContext
from nvflare.app_common.workflows.scatter_and_gather_scaffold import ScatterAndGatherScaffold

from fedgin.engine.checkpoint import load_checkpoint
from fedgin.errors import FedginError
from fedgin.flare.job_files import carried_checkpoint


class ResumableScaffold(ScatterAndGatherScaffold):
    """FLARE's own workflow; its global control starts from the checkpoint's where there is one."""

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
