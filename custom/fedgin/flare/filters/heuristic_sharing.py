"""Sending less of an update, by rules of thumb: they bound nothing that can be learnt from it."""

from __future__ import annotations

from nvflare.apis.fl_context import FLContext

from fedgin.flare.filters.base import Arrays, FailClosedFilter
from fedgin.privacy.clipping import clip_update
from fedgin.privacy.sharing import percentile_sharing, top_k_sharing


class ClipUpdate(FailClosedFilter):
    """Limits an update's norm: what one site can do to the model, not what can be learnt of it."""

    def __init__(self, max_norm: float, fingerprints: str = "none") -> None:
        """Sets the limit of the L2 norm over all arrays, above 0; see `FailClosedFilter`."""
        super().__init__(fingerprints=fingerprints)
        self._max_norm = max_norm

    def change(self, update: Arrays, fl_ctx: FLContext) -> Arrays:
        """Shrinks an update that is larger."""
        clipped, norm = clip_update(update, max_norm=self._max_norm)
        self.log_info(
            fl_ctx, f"update norm {norm:.4g}, limit {self._max_norm:.4g}", fire_event=False
        )
        return clipped


class PercentileSharing(FailClosedFilter):
    """A heuristic: holds the smallest values of an update back and limits the size of the others.

    What FLARE's PercentilePrivacy does, but for what that lets through: bad arguments, other kinds.
    """

    def __init__(self, percentile: float, limit: float, fingerprints: str = "none") -> None:
        """Sets both; see `fedgin.privacy.sharing.percentile_sharing`.

        Args:
            percentile: Percent of the values held back, in [0, 100).
            limit: Largest size of a value, above 0.
            fingerprints: See `FailClosedFilter`.
        """
        super().__init__(fingerprints=fingerprints)
        self._percentile = percentile
        self._limit = limit

    def change(self, update: Arrays, fl_ctx: FLContext) -> Arrays:
        """Sends zeros in place of what is held back."""
        return percentile_sharing(update, percentile=self._percentile, limit=self._limit)


class TopKSharing(FailClosedFilter):
    """A heuristic: sends the largest values of an update only."""

    def __init__(self, share: float, fingerprints: str = "none") -> None:
        """Sets the part of the values that is sent, in (0, 1]; see `FailClosedFilter`."""
        super().__init__(fingerprints=fingerprints)
        self._share = share

    def change(self, update: Arrays, fl_ctx: FLContext) -> Arrays:
        """Sends zeros in place of what is held back."""
        return top_k_sharing(update, share=self._share)
