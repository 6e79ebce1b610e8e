"""The end of a run on the server: settle the best model, print the table, write the report."""

from __future__ import annotations

import json
import shutil
import sys

from nvflare.apis.event_type import EventType
from nvflare.apis.fl_context import FLContext
from nvflare.app_common.app_event_type import AppEventType
from nvflare.widgets.widget import Widget

from fedgin.files import write_atomically
from fedgin.flare.context import run_folder
from fedgin.flare.persistor import SettingsModelPersistor
from fedgin.flare.record import RecordKeeper
from fedgin.report.contributions import contributions_csv
from fedgin.report.run_record import RunRecord
from fedgin.report.run_table import render, to_json
from fedgin.report.study.federation import write_federation_report

REPORT_FILE, PAGE_FILE = "report.json", "report.html"
CONTRIBUTIONS_FILE = "contributions.csv"


class RunReport(Widget):
    """Prints a run's table on stdout when it ends, whether it went well or not."""

    def __init__(
        self,
        record_id: str = "record",
        persistor_id: str = "persistor",
        tb_folder: str = "tb_events",
    ) -> None:
        """Names the components that know the record and the models, and the TensorBoard folder.

        A job that only evaluates has no persistor, and no TensorBoard folder ("").
        """
        super().__init__()
        self._record_id = record_id
        self._persistor_id = persistor_id
        self._tb_folder = tb_folder

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Notes the contributions after each round, and reports when the run has ended."""
        if event_type == AppEventType.ROUND_DONE:
            self._write_contributions(fl_ctx)
        elif event_type == EventType.END_RUN:
            self._write_contributions(fl_ctx)
            self._report(fl_ctx)

    def _write_contributions(self, fl_ctx: FLContext) -> None:
        keeper = fl_ctx.get_engine().get_component(self._record_id)
        if isinstance(keeper, RecordKeeper):
            with keeper.lock:
                table = contributions_csv(keeper.record).encode()
            write_atomically(run_folder(fl_ctx) / CONTRIBUTIONS_FILE, table)

    def _report(self, fl_ctx: FLContext) -> None:
        engine = fl_ctx.get_engine()
        keeper = engine.get_component(self._record_id)
        persistor = engine.get_component(self._persistor_id)
        if not isinstance(keeper, RecordKeeper):
            self.log_error(fl_ctx, f"component '{self._record_id}' must be a RecordKeeper")
            return
        record = keeper.record
        if isinstance(persistor, SettingsModelPersistor):
            settle_best(record, persistor)
        folder = run_folder(fl_ctx)
        if self._tb_folder:
            record.files["TensorBoard"] = f"tensorboard --logdir {folder / self._tb_folder}"
        record.files["Report"] = str(folder / PAGE_FILE)
        record.files["Numbers"] = str(folder / REPORT_FILE)
        content = to_json(record)
        write_atomically(folder / REPORT_FILE, json.dumps(content, indent=2).encode())
        sys.stdout.write(render(record))
        sys.stdout.flush()
        write_federation_report(content, folder / PAGE_FILE)


def settle_best(record: RunRecord, persistor: SettingsModelPersistor) -> None:
    """Lets the last model compete too: only cross-site evaluation scored it.

    Where it beats the best so far it takes its place, in the record and on disk.
    """
    files = {"best": persistor.best_model_file, "last": persistor.last_model_file}
    last, best = record.final.get("last", {}), record.final.get("best", {})
    rounds = record.first_round + record.finished_rounds
    if last and files["last"].is_file():
        record.validation[rounds] = last
        if record.best_round is None or record.score(last) > record.score(best):
            shutil.copyfile(files["last"], files["best"])
            record.best_round, record.best_score = rounds, record.score(last)
            record.final["best"] = last
    # "best" stands first in the report.
    record.final = {name: record.final[name] for name in files if name in record.final}
    for name, file in files.items():
        if file.is_file():
            record.files[f"{name.capitalize()} model"] = str(file)
