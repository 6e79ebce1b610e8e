"""Weighted averaging of ciphertexts."""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, MetaKey
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_opt.he.constant import HE_ALGORITHM_CKKS

from fedgin.config import parse
from fedgin.encryption.ciphertext import Sealed, as_array, average_ciphertexts, read_vector
from fedgin.engine.site_weights import capped_weights, site_weights, weight_shares
from fedgin.errors import FedginError
from fedgin.federation_settings import FederationSettings, Weighting
from fedgin.flare.context import Contribution, run_folder, run_stopped
from fedgin.flare.encryption.keys import load_context
from fedgin.flare.encryption.site_filters import job_layout
from fedgin.flare.record import RecordKeeper, find_record
from fedgin.flare.round_aggregator import RoundAggregator, current_round
from fedgin.flare.site_update import read_facts


class EncryptedAggregator(RoundAggregator):
    """Averages a round's updates, which the server cannot read, in the order of the sites' names.

    FLARE's HEInTimeAccumulateWeightedAggregator takes plain updates too and can weight only by what
    a site multiplied in before it encrypted. Here the server multiplies each ciphertext by the
    site's share, so that every weighting and the largest share work as without encryption; what is
    no ciphertext is refused. Norms, shapes and finiteness of what is inside cannot be looked at.

    Updates wait for the round's end on disk: encrypted they are 14 times as large.
    """

    def __init__(
        self,
        weighting: Weighting = "slices",
        max_weight_share: float = 1.0,
        record_id: str = "record",
    ) -> None:
        """Sets the rules.

        Args:
            weighting: What an update counts by; see `fedgin.engine.site_weights`.
            max_weight_share: Largest share of one site in the average, in (0, 1]; 1 is no limit.
            record_id: Component that keeps the run's record.

        Raises:
            ConfigError: A weighting is unknown or a share out of range.
        """
        super().__init__(record_id)
        rules = {"weighting": weighting, "max_weight_share": max_weight_share}
        self._rules = parse(FederationSettings, rules, where="the aggregator's arguments")
        self._context: Any = None
        self._sizes: dict[str, int] = {}
        self._files: dict[str, Path] = {}
        self._spool: Path | None = None

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Loads the server's context when the run starts, and stops a job without it."""
        if event_type != EventType.START_RUN:
            return
        try:
            find_record(fl_ctx, self._record_id)
            self._context = load_context("server", fl_ctx)
            self._sizes = job_layout(fl_ctx).block_sizes
        except FedginError as error:
            self.system_panic(str(error), fl_ctx)

    def _take(
        self,
        contribution: Contribution,
        shareable: Shareable,
        fl_ctx: FLContext,
        keeper: RecordKeeper,
    ) -> None:
        site = contribution.site
        facts = read_facts(contribution, shareable)
        try:
            sealed = self._ciphertexts(contribution.dxo)
        except ValueError as error:
            raise ValueError(f"{site} sent {error}") from None
        keeper.pin_modality(site, facts.modality)
        self._files[site] = self._keep(sealed, fl_ctx)
        self._facts[site] = facts

    def _ciphertexts(self, dxo: DXO) -> Sealed:
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

    def _keep(self, sealed: Sealed, fl_ctx: FLContext) -> Path:
        if self._spool is None:
            self._spool = Path(tempfile.mkdtemp(prefix="spool-", dir=run_folder(fl_ctx)))
        file = self._spool / f"{len(self._files)}.npz"
        arrays: dict[str, Any] = dict(sealed)
        np.savez(file, **arrays)
        return file

    def aggregate(self, fl_ctx: FLContext) -> Shareable:
        """Averages the updates of the round.

        Returns:
            The encrypted average; nothing where the run was stopped, since FLARE asks all the same
            and looks for the stop right afterwards.

        Raises:
            RuntimeError: No update was accepted in this round; FLARE then stops the job.
        """
        current = current_round(fl_ctx)
        self._close_once(current)
        if run_stopped(fl_ctx):
            self.log_info(fl_ctx, f"round {current + 1} is not averaged", fire_event=False)
            self.reset(fl_ctx)
            return DXO(data_kind=DataKind.COLLECTION, data={}).to_shareable()
        if not self._files:
            raise RuntimeError(f"no site contributed to round {current + 1}: nothing to aggregate")
        mean = average_ciphertexts(
            {site: partial(_load, file) for site, file in self._files.items()},
            shares=self._shares(fl_ctx, current),
            sizes=self._sizes,
            context=self._context,
        )
        self.log_info(fl_ctx, f"averaged {sorted(self._files)}", fire_event=False)
        self.reset(fl_ctx)
        meta = {
            MetaKey.PROCESSED_ALGORITHM: HE_ALGORITHM_CKKS,
            MetaKey.PROCESSED_KEYS: dict.fromkeys(mean, True),
        }
        return DXO(data_kind=DataKind.WEIGHT_DIFF, data=mean, meta=meta).to_shareable()

    def _shares(self, fl_ctx: FLContext, current: int) -> dict[str, float]:
        keeper = find_record(fl_ctx, self._record_id)
        keeper.note_aggregation(f"mean of ciphertexts, weighting {self._rules.weighting}")
        claimed = site_weights(self._facts, weighting=self._rules.weighting)
        shares = weight_shares(capped_weights(claimed, max_share=self._rules.max_weight_share))
        keeper.note_shares(current, shares)
        return shares

    def reset(self, fl_ctx: FLContext) -> None:
        """Forgets the round's updates."""
        self._files, self._facts = {}, {}
        if self._spool is not None:
            shutil.rmtree(self._spool, ignore_errors=True)
            self._spool = None


def _load(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
