"""A site gives no tasks to others: what FLARE's client-side controllers push stays here."""

from __future__ import annotations

from nvflare.apis.filter import ContentBlockedException, Filter
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable


class RefusePushedTasks(Filter):
    """A task_data filter with direction `out`: raises on everything.

    FLARE's swarm, cyclic and cross-site controllers run at a site and send what it learnt as the
    data of a task of their own, past all task_result filters. None of our jobs has them, and a job
    that names them is configuration alone.
    """

    def process(self, shareable: Shareable, fl_ctx: FLContext) -> Shareable:
        """Refuses.

        Raises:
            ContentBlockedException: Always.
        """
        raise ContentBlockedException("RefusePushedTasks: a site sends no tasks")
