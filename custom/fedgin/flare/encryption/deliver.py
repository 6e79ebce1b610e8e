"""The server's side of delivery in an encrypted job: it sends what it cannot read."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from nvflare.apis.fl_context import FLContext
from nvflare.apis.signal import Signal

from fedgin.encryption.ciphertext import as_array
from fedgin.flare.deliver import DeliverModel
from fedgin.release.card import ModelCard
from fedgin.report.run_record import RunRecord


class DeliverEncryptedModel(DeliverModel):
    """Sends the chosen model's ciphertext to every site, which decrypts and keeps it.

    The card travels with the hash of the ciphertext's file, and each site replaces it by that of
    the weights. All decrypt the same with the same key, so the hashes that they answer must agree:
    the most frequent one names the released model.
    """

    def control_flow(self, abort_signal: Signal, fl_ctx: FLContext) -> None:
        """Delivers, and names the model by what the sites stored."""
        super().control_flow(abort_signal, fl_ctx)
        record: RunRecord = fl_ctx.get_engine().get_component(self._record_id).record
        counts = Counter(record.receipts[site] for site in sorted(record.receipts))
        if counts:
            record.released = counts.most_common(1)[0][0]
        elif not abort_signal.triggered:
            self._note(record, "no site confirmed that it holds the released model", fl_ctx)

    def _array(self, value: Any) -> np.ndarray:
        # The initial model alone is plain; it is chosen where no round improved on it.
        return as_array(value) if isinstance(value, bytes) else super()._array(value)

    def _keep(self, record: RunRecord, content: bytes, card: ModelCard, fl_ctx: FLContext) -> None:
        record.files["Released model"] = "at the sites; the server has ciphertext only"

    def _note_released(self, record: RunRecord, card: ModelCard) -> None:
        """Leaves the name open: the server cannot know it."""
