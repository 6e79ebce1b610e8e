"""A site's side of delivery: the released model goes into the site's own folder.

The module imports little, because FLARE's simulator may start a process for every task; no torch.
"""

from __future__ import annotations

from pathlib import Path

from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.executor import Executor
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.signal import Signal

from fedgin.errors import FedginError
from fedgin.flare.context import local_folder, run_folder
from fedgin.release.card import MODEL_FILE, ModelCard, card_from_text
from fedgin.release.model_file import check_release, sha256_of, write_release
from fedgin.sites.lookup import load_site

DELIVER_TASK = "deliver"
WEIGHTS_KEY, CARD_KEY, RECEIPT_KEY = "weights", "card", "sha256"
MODELS_FOLDER = "models"


class ModelReceiver(Executor):
    """Checks a delivered model, keeps it with its card, and answers the hash of what it stored."""

    def execute(
        self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal
    ) -> Shareable:
        """Takes the model; a refusal stays in the site's own log and the server gets a code."""
        if task_name != DELIVER_TASK:
            return make_reply(ReturnCode.TASK_UNKNOWN)
        try:
            card, content = self._open(*read_delivery(shareable), fl_ctx)
            folder = self._folder(card, fl_ctx)
            write_release(folder, content, card)
            stored = sha256_of((folder / MODEL_FILE).read_bytes())
        except (FedginError, OSError, ValueError) as error:
            self.log_error(fl_ctx, f"model refused: {error}", fire_event=False)
            return make_reply(ReturnCode.EXECUTION_EXCEPTION)
        self.log_info(fl_ctx, f"released model {stored[:16]} in {folder}", fire_event=False)
        return DXO(data_kind=DataKind.METRICS, data={RECEIPT_KEY: stored}).to_shareable()

    def _open(self, card: ModelCard, content: bytes, fl_ctx: FLContext) -> tuple[ModelCard, bytes]:
        return card, content

    def _folder(self, card: ModelCard, fl_ctx: FLContext) -> Path:
        """Names the folder by the run, or by the job where the run has no name."""
        site = load_site(fl_ctx.get_identity_name(), local_folder=local_folder(fl_ctx))
        root = site.config.models.folder
        folder = run_folder(fl_ctx) / MODELS_FOLDER if root is None else Path(root) / site.name
        return folder / (card.lineage or str(fl_ctx.get_job_id()))


def delivery_message(content: bytes, card: ModelCard) -> Shareable:
    """Packs a released model as a task."""
    data = {WEIGHTS_KEY: content, CARD_KEY: card.to_text()}
    return DXO(data_kind=DataKind.APP_DEFINED, data=data).to_shareable()


def read_delivery(shareable: Shareable) -> tuple[ModelCard, bytes]:
    """Reads and checks what `delivery_message` packed.

    Raises:
        FedginError: The card breaks the schema, or the weights are not those of the card.
        ValueError: The message is of another form.
    """
    data = from_shareable(shareable).data
    content, text = data.get(WEIGHTS_KEY), data.get(CARD_KEY)
    if not isinstance(content, bytes) or not isinstance(text, str):
        raise ValueError("a delivery holds the bytes of a weights file and the text of its card")
    card = card_from_text(text, where="the delivered card")
    check_release(content, card, where="the delivered model")
    return card, content
