"""The server's checkpoints: written after every round, taken up by a job that goes on."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_context import FLContext
from nvflare.app_common.abstract.model import ModelLearnableKey
from nvflare.app_common.app_constant import AlgorithmConstants, AppConstants
from nvflare.app_common.app_event_type import AppEventType
from nvflare.widgets.widget import Widget

from fedgin.engine.checkpoint import SUFFIX, Checkpoint, load_checkpoint, save_checkpoint
from fedgin.engine.torch_file import load_torch
from fedgin.engine.weights import Weights
from fedgin.errors import ConfigError, FedginError, Problem
from fedgin.files import write_atomically
from fedgin.flare.context import LINEAGE_HEADER, TOTAL_ROUNDS_HEADER, local_folder, run_folder
from fedgin.flare.job_files import carried_checkpoint, read_job_files
from fedgin.flare.persistor import SettingsModelPersistor
from fedgin.flare.record import RecordKeeper
from fedgin.report.record_values import record_from_values, record_to_values
from fedgin.settings import SETTINGS_FILE
from fedgin.sites.server_file import ServerConfig, load_server_config

FOLDER = "checkpoints"


class CheckpointKeeper(Widget):
    """Writes a checkpoint after each round, and restores what a carried one holds.

    The checkpoints of a run lie in a folder named by its lineage, below the folder that the
    server's own file names, or below the run's own folder. A job that goes on carries the
    checkpoint and keeps the lineage, so that the sites find their own state.
    """

    def __init__(self, record_id: str = "record", persistor_id: str = "persistor") -> None:
        """Names the components that know the record and the models.

        Both must stand before this one in the job: they see each event first.
        """
        super().__init__()
        self._record_id = record_id
        self._persistor_id = persistor_id
        self._lineage = uuid.uuid4().hex
        self._carried: Checkpoint | None = None
        self._config = ServerConfig()
        self._job: dict[str, str] = {}
        self._total_rounds = 0

    @property
    def lineage(self) -> str:
        """Name of the run, the same in every job that goes on with it."""
        return self._lineage

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Restores at the start, marks each train task, saves after each round."""
        if event_type == EventType.START_RUN:
            self._start(fl_ctx)
        elif event_type == AppEventType.INITIAL_MODEL_LOADED:
            self._restore_best(fl_ctx)
        elif event_type == AppEventType.TRAINING_STARTED:
            first = int(fl_ctx.get_prop(AppConstants.START_ROUND, 0))
            self._total_rounds = first + int(fl_ctx.get_prop(AppConstants.NUM_ROUNDS, 0))
        elif event_type == AppEventType.BEFORE_TRAIN_TASK:
            task = fl_ctx.get_prop(AppConstants.TRAIN_SHAREABLE)
            task.set_header(LINEAGE_HEADER, self._lineage)
            task.set_header(TOTAL_ROUNDS_HEADER, self._total_rounds)
        elif event_type == AppEventType.ROUND_DONE:
            self._save(fl_ctx)

    def _start(self, fl_ctx: FLContext) -> None:
        try:
            self._config = load_server_config(local_folder=local_folder(fl_ctx))
            self._job = read_job_files(fl_ctx)
            file = carried_checkpoint(fl_ctx)
            if file is None:
                return
            self._carried = load_checkpoint(file)
            check_same_job(self._carried, self._job)
        except FedginError as error:
            self.system_panic(str(error), fl_ctx)
            return
        self._lineage = self._carried.lineage
        self._keeper(fl_ctx).restore(record_from_values(self._carried.record))
        self.log_info(
            fl_ctx,
            f"goes on with run {self._lineage} after {self._carried.finished_rounds} rounds",
            fire_event=False,
        )

    def _restore_best(self, fl_ctx: FLContext) -> None:
        if self._carried is None or self._carried.best_weights is None:
            return
        weights = self._carried.best_weights
        model = self._model_content(weights)
        file = self._persistor(fl_ctx).best_model_file
        write_atomically(file, lambda output: torch.save(model, output))

    def _save(self, fl_ctx: FLContext) -> None:
        finished = int(fl_ctx.get_prop(AppConstants.CURRENT_ROUND)) + 1
        record = self._keeper(fl_ctx).record
        folder = self._folder(fl_ctx)
        with self._keeper(fl_ctx).lock:
            values = record_to_values(record)
        control = fl_ctx.get_prop(AlgorithmConstants.SCAFFOLD_CTRL_GLOBAL)
        checkpoint = Checkpoint(
            lineage=self._lineage,
            finished_rounds=finished,
            total_rounds=self._total_rounds,
            job=self._job,
            weights=self._arrays(
                fl_ctx.get_prop(AppConstants.GLOBAL_MODEL)[ModelLearnableKey.WEIGHTS]
            ),
            best_weights=self._best_weights(fl_ctx),
            control=None if control is None else self._arrays(control),
            record=values,
        )
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            save_checkpoint(checkpoint, checkpoint_file(folder, finished))
        except OSError as error:
            # The run itself is whole: it goes on, and the checkpoint before this one stays.
            problem = f"no checkpoint after round {finished}: {error.filename}: {error.strerror}"
            record.problems.append(problem)
            self.log_error(fl_ctx, problem, fire_event=False)
            return
        for old in list_checkpoints(folder)[: -self._config.keep]:
            old.unlink(missing_ok=True)

    def _folder(self, fl_ctx: FLContext) -> Path:
        root = self._config.checkpoints
        return (Path(root) if root else run_folder(fl_ctx) / FOLDER) / self._lineage

    def _best_weights(self, fl_ctx: FLContext) -> Weights | None:
        file = self._persistor(fl_ctx).best_model_file
        if not file.is_file():
            return None
        return self._arrays(load_torch(file)["model"])

    def _arrays(self, weights: Mapping[str, Any]) -> Weights:
        return {name: torch.as_tensor(array).numpy() for name, array in weights.items()}

    def _model_content(self, weights: Weights) -> dict[str, Any]:
        return {"model": {name: torch.from_numpy(array) for name, array in weights.items()}}

    def _keeper(self, fl_ctx: FLContext) -> RecordKeeper:
        keeper: RecordKeeper = fl_ctx.get_engine().get_component(self._record_id)
        return keeper

    def _persistor(self, fl_ctx: FLContext) -> SettingsModelPersistor:
        persistor: SettingsModelPersistor = fl_ctx.get_engine().get_component(self._persistor_id)
        return persistor


def check_same_job(checkpoint: Checkpoint, files: dict[str, str]) -> None:
    """Compares the training settings of a checkpoint's job with those of the job that runs.

    Raises:
        ConfigError: They differ; both are named.
    """
    name = f"app/config/{SETTINGS_FILE}"
    ours, theirs = (
        {key: text for key, text in job.items() if key == name} for job in (files, checkpoint.job)
    )
    if ours != theirs:
        from fedgin.engine.checkpoint import job_hash

        raise ConfigError(
            Problem(
                "the job's checkpoint",
                f"it must be of a job with the same settings, {job_hash(ours)[:16]}",
                f"run {checkpoint.lineage} with settings {job_hash(theirs)[:16]}",
                "make the job by `fedgin job resume` from this run's checkpoint",
            )
        )


def checkpoint_file(folder: Path, finished_rounds: int) -> Path:
    """Names the checkpoint after a number of rounds."""
    return folder / f"after-round-{finished_rounds:05d}{SUFFIX}"


def list_checkpoints(folder: Path) -> list[Path]:
    """Lists a run's checkpoints, the oldest first."""
    return sorted(folder.glob(f"after-round-*{SUFFIX}"))
