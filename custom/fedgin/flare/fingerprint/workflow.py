"""The server's side of a fingerprint: ask every site once, add up, derive the plan."""

from __future__ import annotations

import sys

from nvflare.apis.client import Client
from nvflare.apis.controller_spec import ClientTask, Task
from nvflare.apis.dxo import DataKind, from_shareable
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.impl.controller import Controller
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal

from fedgin.errors import ConfigError, FedginError, Problem
from fedgin.fingerprint.document import read_summary
from fedgin.fingerprint.report import Fingerprint, describe, write_fingerprint
from fedgin.fingerprint.settings import read_fingerprint_settings
from fedgin.flare.context import CONFIG_FOLDER, app_folder, run_folder
from fedgin.flare.fingerprint.executor import FINGERPRINT_TASK
from fedgin.package import check_package


class FingerprintWorkflow(Controller):
    """Broadcasts one task, and writes `fingerprint.json` and `plan.json` into the run's folder.

    A site that does not answer in time, or whose answer is refused, is named there and in the
    table; the plan follows from the others, if there are enough.
    """

    def __init__(self, timeout: int = 3600, min_clients: int = 1) -> None:
        """Sets how long the sites have, and how many must answer.

        Args:
            timeout: Seconds, above 0.
            min_clients: Sites whose answer is needed for a plan, at least 1.

        Raises:
            ConfigError: A number is out of range.
        """
        super().__init__()
        problems = [
            Problem(f"FingerprintWorkflow: {name}", "it must be above 0", repr(value), "raise it")
            for name, value in (("timeout", timeout), ("min_clients", min_clients))
            if value < 1
        ]
        if problems:  # FLARE would wait for ever
            raise ConfigError(problems)
        self._timeout = timeout
        self._min_clients = min_clients
        self._found: Fingerprint | None = None

    def start_controller(self, fl_ctx: FLContext) -> None:
        """Reads the job's settings, and stops a job that has none or other code."""
        try:
            config = app_folder(fl_ctx) / CONFIG_FOLDER
            check_package(config)
            self._found = Fingerprint(read_fingerprint_settings(config))
        except FedginError as error:
            self.system_panic(str(error), fl_ctx)

    def control_flow(self, abort_signal: Signal, fl_ctx: FLContext) -> None:
        """Asks, waits, adds up."""
        found = self._found
        if found is None:
            return
        sites = [client.name for client in fl_ctx.get_engine().get_clients()]
        task = Task(
            name=FINGERPRINT_TASK,
            data=Shareable(),
            timeout=self._timeout,
            result_received_cb=self._received,
        )
        if sites:
            self.broadcast_and_wait(
                task=task,
                targets=sites,
                min_responses=len(sites),
                fl_ctx=fl_ctx,
                abort_signal=abort_signal,
            )
        if abort_signal.triggered:
            return
        found.close(sites, seconds=self._timeout)
        self._finish(found, fl_ctx)

    def stop_controller(self, fl_ctx: FLContext) -> None:
        """Withdraws what was not fetched."""
        self.cancel_all_tasks(fl_ctx=fl_ctx)

    def process_result_of_unknown_task(
        self,
        client: Client,
        task_name: str,
        client_task_id: str,
        result: Shareable,
        fl_ctx: FLContext,
    ) -> None:
        """Leaves a late answer out; the report says that none came in time."""
        self.log_warning(fl_ctx, f"late answer of {client.name} to {task_name}", fire_event=False)

    def _received(self, client_task: ClientTask, fl_ctx: FLContext) -> None:
        site, answer = client_task.client.name, client_task.result
        client_task.result = None
        if self._found is None:
            return
        try:
            code = answer.get_return_code()
            if code and code != ReturnCode.OK:
                raise ValueError(f"{site} answered {code}")
            dxo = from_shareable(answer)
            if dxo.data_kind != DataKind.METRICS:
                raise ValueError(f"{site} sent {dxo.data_kind!s:.40} and no counts")
            self._found.accept(site, read_summary(dxo.data))
        except ValueError as error:
            self._found.refuse(site, str(error))
            self.log_error(fl_ctx, f"fingerprint of {site} refused: {error}", fire_event=False)

    def _finish(self, found: Fingerprint, fl_ctx: FLContext) -> None:
        plan, reason = None, ""
        try:
            if len(found.answers) < self._min_clients:
                reason = f"{len(found.answers)} sites answered; min_clients is {self._min_clients}"
            else:
                plan = found.plan()
        except FedginError as error:
            reason = str(error)
        folder = run_folder(fl_ctx)
        write_fingerprint(folder, found, plan)
        sys.stdout.write(describe(found, plan))
        if plan is not None:
            sys.stdout.write(f"Fingerprint and plan in {folder}\n")
        sys.stdout.flush()
        if reason:
            self.system_panic(f"no plan: {reason}", fl_ctx)
