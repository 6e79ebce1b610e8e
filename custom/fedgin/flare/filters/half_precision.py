"""Updates in float16 on their way to the server, which widens them before it averages."""

from __future__ import annotations

from nvflare.apis.fl_context import FLContext

from fedgin.flare.filters.base import Arrays, FailClosedFilter
from fedgin.privacy.precision import to_half


class HalfPrecisionUpload(FailClosedFilter):
    """Halves an upload's bytes, within the error of `fedgin.privacy.precision`.

    A filter of the job, so that it runs after the site's own, the noise included. Full weights
    (`submit_model`) and metrics leave as they are.
    """

    def __init__(self) -> None:
        """What may pass is the site's to say: a job's filter refuses nothing of it."""
        super().__init__(models=True, controls=True)

    def change(self, update: Arrays, fl_ctx: FLContext) -> Arrays:
        """Rounds to float16."""
        halves, cut = to_half(update)
        if cut:
            self.log_warning(
                fl_ctx, f"{cut} values were cut to float16's largest, 65504", fire_event=False
            )
        return halves

    def change_control(self, control: Arrays, fl_ctx: FLContext) -> Arrays:
        """Rounds a control likewise."""
        return self.change(control, fl_ctx)
