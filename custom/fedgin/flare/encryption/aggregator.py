"""Weighted averaging of ciphertexts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nvflare.apis.dxo import DXO, DataKind, MetaKey
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_opt.he.constant import HE_ALGORITHM_CKKS

from fedgin.encryption.ciphertext import as_array, average_ciphertexts, read_vector
from fedgin.engine.site_weights import weight_shares
from fedgin.errors import FedginError
from fedgin.federation_settings import Weighting
from fedgin.flare.aggregator import OrderedWeightedAggregator
from fedgin.flare.context import Contribution
from fedgin.flare.encryption.keys import load_context
from fedgin.flare.encryption.site_filters import job_layout
from fedgin.flare.site_meta import read_meta
from fedgin.flare.site_update import Arrays, SiteUpdate


class EncryptedAggregator(OrderedWeightedAggregator):
    """OrderedWeightedAggregator for updates that the server cannot read.

    FLARE's HEInTimeAccumulateWeightedAggregator takes plain updates too and can weight only by what
    a site multiplied in before it encrypted. Here the server multiplies each ciphertext by the
    site's share, so that every weighting and the largest share work as without encryption; what is
    no ciphertext is refused. Norms, shapes and finiteness of what is inside cannot be looked at.
    """

    def __init__(
        self,
        spool_above_mb: float = 2048.0,
        weighting: Weighting = "slices",
        max_weight_share: float = 1.0,
        record_id: str = "record",
    ) -> None:
        """Sets limits; as for OrderedWeightedAggregator.

        Args:
            spool_above_mb: MB of ciphertexts held in memory; further ones wait in a file each.
            weighting: What an update counts by.
            max_weight_share: Largest share of one site in the average.
            record_id: Component that keeps the run's record.

        Raises:
            ConfigError: A weighting is unknown or a share out of range.
        """
        super().__init__(
            spool_above_mb=spool_above_mb,
            weighting=weighting,
            max_weight_share=max_weight_share,
            record_id=record_id,
        )
        self._context: Any = None
        self._sizes: dict[str, int] = {}

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Loads the server's context when the run starts."""
        super().handle_event(event_type, fl_ctx)
        if event_type == EventType.START_RUN:
            try:
                self._context = load_context("server", fl_ctx)
                self._sizes = job_layout(fl_ctx).block_sizes
            except FedginError as error:
                self.system_panic(str(error), fl_ctx)

    def _read(
        self, contribution: Contribution, shareable: Shareable, fl_ctx: FLContext
    ) -> SiteUpdate:
        site, dxo = contribution.site, contribution.dxo
        code = shareable.get_return_code()
        if code and code != ReturnCode.OK:
            raise ValueError(f"{site} answered {code}")
        try:
            facts = read_meta(dxo)
            difference = self._ciphertexts(dxo)
        except ValueError as error:
            raise ValueError(f"{site} sent {error}") from None
        return SiteUpdate(site=site, facts=facts, difference=difference, control=None)

    def _ciphertexts(self, dxo: DXO) -> Arrays:
        if dxo.data_kind != DataKind.WEIGHT_DIFF or not isinstance(dxo.data, dict):
            raise ValueError(f"{dxo.data_kind}, not an encrypted weight difference")
        if dxo.get_meta_prop(MetaKey.PROCESSED_ALGORITHM) != HE_ALGORITHM_CKKS:
            raise ValueError("an update that is not encrypted")
        if odd := sorted(self._sizes.keys() ^ dxo.data.keys()):
            raise ValueError(f"other vectors than the model's: {odd[:3]}")
        for name, size in self._sizes.items():
            if not isinstance(dxo.data[name], bytes):
                raise ValueError(f"{name} that is no ciphertext")
            read_vector(self._context, dxo.data[name], size=size)
        return {name: as_array(dxo.data[name]) for name in self._sizes}

    def _average(self, weights: Mapping[str, float]) -> DXO:
        mean = average_ciphertexts(
            self._updates,
            shares=weight_shares(weights),
            sizes=self._sizes,
            context=self._context,
        )
        meta = {
            MetaKey.PROCESSED_ALGORITHM: HE_ALGORITHM_CKKS,
            MetaKey.PROCESSED_KEYS: dict.fromkeys(mean, True),
        }
        return DXO(data_kind=DataKind.WEIGHT_DIFF, data=mean, meta=meta)
