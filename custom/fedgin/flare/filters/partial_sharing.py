"""Arrays that stay at the site, in both directions: neither sent nor overwritten.

FLARE's ExcludeVars covers the upload alone: the server keeps sending its initial values for what
no site ever sends.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.filter import ContentBlockedException, Filter
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.app_constant import AppConstants

from fedgin.engine.lineage import join_lineage, joined_lineage
from fedgin.files import write_atomically
from fedgin.flare.context import LINEAGE_HEADER, local_folder, run_folder
from fedgin.flare.filters.base import Arrays, FailClosedFilter
from fedgin.privacy.sharing import partial_sharing
from fedgin.sites.lookup import load_site

KEPT_FOLDER = "kept_arrays"
_KEPT = "fedgin_kept_arrays"


class PartialSharing(FailClosedFilter):
    """Sends zeros, "no change", in place of the arrays that stay here, and keeps their values.

    It needs a `KeepOwnValues` with the same expression among the filters of the task's data.
    """

    def __init__(self, keep_local: str) -> None:
        """Names what stays.

        Args:
            keep_local: Regular expression; arrays whose whole name matches stay.
        """
        super().__init__()
        self._keep_local = re.compile(keep_local)

    def change(self, update: Arrays, fl_ctx: FLContext) -> Arrays:
        """Holds the arrays back and writes down what training made of them."""
        kept = fl_ctx.get_prop(_KEPT)
        if not isinstance(kept, KeptArrays) or kept.expression != self._keep_local.pattern:
            raise ValueError("a KeepOwnValues with the same keep_local must filter the task's data")
        changed = {
            name: np.asarray(start + update[name].astype(np.float32), dtype=np.float32)
            for name, start in kept.arrays.items()
        }
        save_kept(kept.folder, kept.round_number, changed)
        return partial_sharing(update, keep_local=self._keep_local)


class KeptArrays:
    """What a task starts from in place of the server's values."""

    def __init__(
        self, *, expression: str, folder: Path, round_number: int, arrays: dict[str, np.ndarray]
    ) -> None:
        """Holds the values, and where those after the round go."""
        self.expression = expression
        self.folder = folder
        self.round_number = round_number
        self.arrays = arrays


class KeepOwnValues(Filter):
    """Puts the site's own values into a model that comes from the server.

    For training and measuring alike. In the first round there are none yet: the server's stand.
    """

    def __init__(self, keep_local: str) -> None:
        """Names what stays; see `PartialSharing`."""
        super().__init__()
        self._keep_local = re.compile(keep_local)

    def process(self, shareable: Shareable, fl_ctx: FLContext) -> Shareable:
        """Changes the task's weights.

        Raises:
            ContentBlockedException: The task brings no weights, or what was kept does not fit them;
                FLARE answers TASK_DATA_FILTER_ERROR.
        """
        try:
            return self._filtered(shareable, fl_ctx)
        except Exception as error:
            raise ContentBlockedException(f"{type(self).__name__}: {error}") from error

    def _filtered(self, shareable: Shareable, fl_ctx: FLContext) -> Shareable:
        dxo = from_shareable(shareable)
        if dxo.data_kind != DataKind.WEIGHTS:
            raise ValueError(f"partial sharing needs a task with weights; found {dxo.data_kind}")
        number = shareable.get_header(AppConstants.CURRENT_ROUND)
        folder = _folder(shareable, fl_ctx)
        own = load_kept(folder, before_round=None if number is None else int(number))
        names = [name for name in dxo.data if self._keep_local.fullmatch(name)]
        if not names:
            raise ValueError("keep_local matches no array of the model")
        if own is None:
            own = {name: np.asarray(dxo.data[name], dtype=np.float32) for name in names}
        if set(own) != set(names) or any(own[n].shape != np.shape(dxo.data[n]) for n in names):
            raise ValueError("the arrays kept here are not those of the model")
        if number is not None:
            kept = KeptArrays(
                expression=self._keep_local.pattern,
                folder=folder,
                round_number=int(number),
                arrays=own,
            )
            fl_ctx.set_prop(_KEPT, kept, private=True, sticky=False)
        typed = {n: np.asarray(own[n], dtype=np.asarray(dxo.data[n]).dtype) for n in names}
        changed = DXO(data_kind=dxo.data_kind, data={**dxo.data, **typed}, meta=dxo.meta)
        return changed.update_shareable(shareable)


def save_kept(folder: Path, round_number: int, arrays: dict[str, np.ndarray]) -> None:
    """Writes the values after a round.

    Those of the two rounds before stay, for a run that is taken up again, and those of later rounds
    go, as with the site's other state.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    write_atomically(_file(folder, round_number), content.getvalue())
    newest = _file(folder, round_number).name
    files = sorted(folder.glob("after-round-*.npz"))
    earlier = [file for file in files if file.name <= newest]
    for file in [*earlier[:-3], *(file for file in files if file.name > newest)]:
        file.unlink(missing_ok=True)


def load_kept(folder: Path, *, before_round: int | None) -> dict[str, np.ndarray] | None:
    """Reads the newest values, of those after rounds below a number where one is given.

    Returns:
        Arrays by name; None before the first.
    """
    files = sorted(folder.glob("after-round-*.npz"))
    if before_round is not None:
        files = [file for file in files if file.name < _file(folder, before_round).name]
    if not files:
        return None
    with np.load(files[-1], allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _file(folder: Path, round_number: int) -> Path:
    return folder / f"after-round-{round_number:06d}.npz"


def _folder(shareable: Shareable, fl_ctx: FLContext) -> Path:
    """Names the folder: the run's state where the site's file names one, else the run's own."""
    site = load_site(fl_ctx.get_identity_name(), local_folder=local_folder(fl_ctx))
    if lineage := shareable.get_header(LINEAGE_HEADER):
        join_lineage(run_folder(fl_ctx), str(lineage))  # also checks that it leads nowhere else
    joined = joined_lineage(run_folder(fl_ctx))
    if site.config.state.folder is None or joined is None:
        return run_folder(fl_ctx) / KEPT_FOLDER
    return Path(site.config.state.folder) / site.name / joined / KEPT_FOLDER
