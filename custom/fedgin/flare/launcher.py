"""A site's own launcher: a job process that was killed is started again, or else let go."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.job_launcher_spec import JobHandleSpec, JobReturnCode
from nvflare.app_common.job_launcher.client_process_launcher import ClientProcessJobLauncher
from nvflare.app_common.job_launcher.process_launcher import ProcessHandle

from fedgin.flare.scope_check import check_scope

logger = logging.getLogger(__name__)


class RelaunchingLauncher(ClientProcessJobLauncher):
    """FLARE's launcher of client processes, for a site's own resources.json.

    With FLARE's own launcher one site's killed process (out of memory, say) fails the whole job.
    This one starts the process again: a site's round is a function of what lies on disk, so the new
    process takes up the task that the old one had. When that process is killed too, the end is
    reported as unknown, which FLARE does not count as a failure of the job: the other sites go on.
    An error that the process itself reports is not retried: it would occur again.
    """

    def __init__(self, relaunches: int = 1) -> None:
        """Sets how often a killed process is started again.

        Args:
            relaunches: 0 or more.

        Raises:
            ValueError: The number is negative.
        """
        super().__init__()
        if relaunches < 0:
            raise ValueError(f"relaunches must be 0 or more; found {relaunches}")
        self._relaunches = relaunches

    def launch_job(self, job_meta: dict[str, Any], fl_ctx: FLContext) -> JobHandleSpec:
        """Starts the job's process, in a scope that the site has.

        Raises:
            ConfigError: The site's privacy.json is missing or has no such scope: FLARE reports that
                the job could not be started here.
        """
        workspace = fl_ctx.get_prop(FLContextKey.WORKSPACE_OBJECT)
        scope = check_scope(job_meta, Path(workspace.get_site_privacy_file_path()))
        logger.info("the job runs in the site's scope '%s'", scope)
        launch = partial(super().launch_job, job_meta, fl_ctx)
        return RelaunchingHandle(launch, relaunches=self._relaunches)


class RelaunchingHandle(JobHandleSpec):
    """A job's process at a site, and those that replace it."""

    def __init__(self, launch: Callable[[], ProcessHandle], *, relaunches: int) -> None:
        """Starts the first process.

        Args:
            launch: Starts a process.
            relaunches: How often one that was killed is replaced.
        """
        self._launch = launch
        self._left = relaunches
        self._lock = threading.Lock()
        self._ended_by_us = False
        self._process = launch()

    def terminate(self) -> None:
        """Ends the process for good."""
        with self._lock:
            self._ended_by_us = True
            process = self._process
        process.terminate()

    def poll(self) -> int:
        """Returns FLARE's code: of a process that was killed, unknown; else the process's own."""
        with self._lock:
            killed = was_killed(self._process) and not self._ended_by_us
            return JobReturnCode.UNKNOWN if killed else self._process.poll()

    def wait(self) -> None:
        """Waits for the end, through all processes."""
        while True:
            self._process.wait()
            with self._lock:
                if self._ended_by_us or self._left < 1 or not was_killed(self._process):
                    return
                self._left -= 1
                logger.warning("the job's process was killed: starting another")
                self._process = self._launch()


def was_killed(handle: ProcessHandle) -> bool:
    """Tells whether a process ended by a signal, not by its own decision."""
    code = handle.adapter.poll()
    return code is not None and code < 0
