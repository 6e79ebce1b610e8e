"""The guard: an answer in the form that it must have, and nothing beside it."""

from __future__ import annotations

from fedgin.flare.filters.base import FailClosedFilter


class UpdateGuard(FailClosedFilter):
    """Lets the answers of our tasks through, rebuilt from what they may hold; changes no number.

    The first of a scope's filters. An update must have names and shapes of the model that the task
    brought, which a `RememberTask` among the scope's task_data_filters notes; an encrypted model
    has none to compare with.
    """

    needs_task = True

    def __init__(
        self, models: bool = False, controls: bool = False, fingerprints: str = "none"
    ) -> None:
        """See `FailClosedFilter`; all are refused unless they are named."""
        super().__init__(models=models, controls=controls, fingerprints=fingerprints)
