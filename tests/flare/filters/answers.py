"""A site's answers as its Learner makes them, and a context like that of FLARE's client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, MetaKey
from nvflare.apis.fl_constant import FLContextKey, ReservedKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.apis.workspace import Workspace
from nvflare.app_common.app_constant import AlgorithmConstants, AppConstants

from fedgin.engine.site_weights import SiteFacts
from fedgin.fingerprint.bins import bins_of
from fedgin.fingerprint.document import SENT, ModalityCounts, SiteSummary
from fedgin.flare.context import LINEAGE_HEADER
from fedgin.flare.filters.task_note import RememberTask
from fedgin.flare.site_meta import meta_values
from fedgin.tasks import get_task

Arrays = dict[str, np.ndarray]
SITE, LINEAGE, ROUND = "site-1", "ab" * 16, 2
SHAPES: dict[str, tuple[int, ...]] = {"conv.weight": (8, 4), "conv.bias": (8,), "norm.count": ()}


class Engine:
    """What filters ask of the client's engine: where files lie."""

    def __init__(self, root: Path) -> None:
        self._workspace = Workspace(root_dir=str(root))

    def get_workspace(self) -> Workspace:
        return self._workspace


def site_context(root: Path, *, job: str = "job-1") -> FLContext:
    """Makes the context of a task at a site whose kit lies in a folder."""
    for folder in ("startup", "local", job):
        (root / folder).mkdir(parents=True, exist_ok=True)
    fl_ctx = FLContext()
    fl_ctx.set_prop(ReservedKey.ENGINE, Engine(root), private=True, sticky=False)
    fl_ctx.set_prop(ReservedKey.RUN_NUM, job, private=False, sticky=False)
    fl_ctx.set_prop(ReservedKey.IDENTITY_NAME, SITE, private=False, sticky=False)
    return fl_ctx


def arrays(seed: int = 0) -> Arrays:
    """Makes the arrays of a small model."""
    generator = np.random.default_rng(seed)
    return {
        name: np.asarray(generator.normal(size=shape), np.float32) for name, shape in SHAPES.items()
    }


def begin(fl_ctx: FLContext, task: str = "train", *, lineage: str | None = LINEAGE) -> Shareable:
    """Brings a task as FLARE's client does, and notes it. Returns its data."""
    fl_ctx.set_prop(FLContextKey.TASK_NAME, task, private=True, sticky=False)
    data = DXO(data_kind=DataKind.WEIGHTS, data=arrays(99)).to_shareable()
    if task == "train":
        data.set_header(AppConstants.CURRENT_ROUND, ROUND)
    if lineage:
        data.set_header(LINEAGE_HEADER, lineage)
    return RememberTask().process(data, fl_ctx)


def metrics(**more: Any) -> dict[str, Any]:
    """Makes the metrics of one part."""
    return {"dice": 0.5, "per_class": {"heart": 0.5}, "cases": 3, **more}


def update_dxo(update: Arrays | None = None) -> DXO:
    """Makes the answer to a train task."""
    dxo = DXO(data_kind=DataKind.WEIGHT_DIFF, data=arrays() if update is None else update)
    dxo.meta.update(meta_values(SiteFacts(modality="CT", cases=8, slices=117)))
    dxo.set_meta_prop(MetaKey.NUM_STEPS_CURRENT_ROUND, 117)
    dxo.set_meta_prop(MetaKey.INITIAL_METRICS, {"modality": "CT", "validation": metrics()})
    return dxo


def collection_dxo() -> DXO:
    """Makes SCAFFOLD's answer to a train task."""
    control = {"conv.weight": arrays(5)["conv.weight"]}
    dxo = update_dxo()
    parts = {
        AppConstants.MODEL_WEIGHTS: DXO(data_kind=DataKind.WEIGHT_DIFF, data=dxo.data),
        AlgorithmConstants.SCAFFOLD_CTRL_DIFF: DXO(data_kind=DataKind.WEIGHT_DIFF, data=control),
    }
    return DXO(data_kind=DataKind.COLLECTION, data=parts, meta=dxo.meta)


def fingerprint_dxo(*, epsilon: float | None = None) -> DXO:
    """Makes the answer to a fingerprint task, with a count in each histogram."""
    task = get_task("heart")
    histograms = {
        name: (7, *(0,) * (bins.number - 1)) for name, bins in bins_of("CT", task).items()
    }
    summary = SiteSummary(
        task=task.name,
        status=SENT,
        smallest_count=5,
        epsilon=epsilon,
        memory="cuda-8",
        modalities={"CT": ModalityCounts(cases=7, histograms=histograms)},
    )
    return DXO(data_kind=DataKind.METRICS, data=summary.message())


def evaluation_dxo() -> DXO:
    """Makes the answer to a validate task, summaries included."""
    summary = {"count": 3, "mean": 0.55, "sd": 0.1, "histogram": [0] * 4 + [1, 1, 1] + [0] * 3}
    test = metrics(summary={"heart": {"dice": summary}})
    message = {"modality": "CT", "validation": metrics(), "test": test}
    return DXO(data_kind=DataKind.METRICS, data=message)
