"""A site's own components that let only approved apps run."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

from nvflare.apis.app_validation import AppValidator
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.job_def import JobMetaKey
from nvflare.apis.job_launcher_spec import JobProcessArgs
from nvflare.apis.workspace import Workspace
from nvflare.fuel.utils.zip_utils import unzip_all_from_bytes
from nvflare.private.fed.utils.app_deployer import AppDeployer

from fedgin.approval.approved_list import APPROVED_FILE
from fedgin.approval.judge import Verdict, judge_app

logger = logging.getLogger(__name__)

DEPLOYED = "fl_app.txt"
"""What FLARE writes into each run's folder."""


class ApprovedCodeDeployer(AppDeployer):
    """FLARE's deployer of apps at a client, for apps that the site's officer has approved.

    For a client's resources.json, with the id `app_deployer`. FLARE's client process calls it with
    the bytes of the app, before anything is written to the run's folder, parsed, imported or
    started. `RelaunchingLauncher` asks it again just before it starts a process.
    """

    def __init__(self, approved_code: str = APPROVED_FILE) -> None:
        """Names the list.

        Args:
            approved_code: The site's list of approved apps; relative to the kit's local folder.
        """
        super().__init__()
        self._approved_code = approved_code

    def deploy(
        self,
        workspace: Workspace,
        job_id: str,
        job_meta: dict[str, Any],
        app_name: str,
        app_data: bytes,
        fl_ctx: FLContext,
    ) -> str:
        """Deploys an approved app.

        Returns:
            The reason of a refusal; empty where the app was deployed.
        """
        if fault := _fault_of_job(workspace, job_id, job_meta, fl_ctx):
            logger.error("job %r refused: %s", job_id, fault)
            return f"code approval: {fault}"
        with tempfile.TemporaryDirectory(prefix="fedgin-approval-") as folder:
            unzip_all_from_bytes(app_data, folder)
            verdict = self._judge(workspace, Path(folder))
        if not verdict.approved:
            return _refuse(job_id, app_name, verdict)
        error: str = super().deploy(workspace, job_id, job_meta, app_name, app_data, fl_ctx)
        if error:
            return error
        deployed = self._judge(workspace, Path(workspace.get_app_dir(job_id)))
        if deployed.sha256 != verdict.sha256:
            shutil.rmtree(workspace.get_run_dir(job_id), ignore_errors=True)
            return "code approval: what lies on the disk is not what was approved"
        logger.info(
            "job %s: app %s with hash %s is approved: %s",
            *(job_id, app_name, verdict.sha256, verdict.note),
        )
        return ""

    def check_launch(self, job_meta: dict[str, Any], fl_ctx: FLContext) -> None:
        """Judges once more the app that a process is about to run, as it lies on the disk.

        Args:
            job_meta: FLARE's record of the job.
            fl_ctx: The context of the launch.

        Raises:
            RuntimeError: The app is not approved. FLARE then starts no process.
        """
        workspace: Workspace = fl_ctx.get_prop(FLContextKey.WORKSPACE_OBJECT)
        _, job_id = fl_ctx.get_prop(FLContextKey.JOB_PROCESS_ARGS)[JobProcessArgs.JOB_ID]
        if job_meta.get(JobMetaKey.JOB_ID.value) != job_id:
            raise RuntimeError("code approval: the job's record is another job's")
        verdict = self._judge(workspace, Path(workspace.get_app_dir(job_id)))
        if not verdict.approved:
            raise RuntimeError(_refuse(job_id, "on the disk", verdict))

    def _judge(self, workspace: Workspace, app: Path) -> Verdict:
        local = Path(workspace.get_site_config_dir())
        return judge_app(app, approved_file=local / self._approved_code)


class ApprovedCodeValidator(AppValidator):
    """The same for the server, where FLARE has no deployer of the site's own.

    For the server's resources.json, under the key `app_validator`. FLARE's server process calls it
    when the app lies in the run's folder and its configuration file was read, but before any
    component of it is built or imported. A refused app is deleted and the job fails.
    """

    def __init__(self, approved_code: str = APPROVED_FILE) -> None:
        """Names the list.

        Args:
            approved_code: As for `ApprovedCodeDeployer`.
        """
        self._approved_code = approved_code

    def validate(self, app_folder: str) -> tuple[str, dict[str, Any]]:
        """Judges the app in a run's folder, which lies in the kit.

        Returns:
            The reason of a refusal, or an empty text; and no properties.
        """
        app = Path(app_folder).absolute()
        kit = app.parent.parent
        verdict = judge_app(app, approved_file=kit / "local" / self._approved_code)
        if not verdict.approved:
            return _refuse(app.parent.name, app.name, verdict), {}
        logger.info(
            "job %s: app with hash %s is approved: %s",
            *(app.parent.name, verdict.sha256, verdict.note),
        )
        return "", {}


def _refuse(job_id: str, app_name: str, verdict: Verdict) -> str:
    """Logs a refusal for the site and returns what its sender may know of it."""
    logger.error("job %s: app %s refused: %s", job_id, app_name, verdict.refusal)
    return verdict.answer


def _fault_of_job(
    workspace: Workspace, job_id: str, job_meta: dict[str, Any], fl_ctx: FLContext
) -> str:
    """Says what is wrong with a job's identifier; empty where nothing is.

    FLARE empties the folder of that name in the kit before it deploys, so a dishonest server could
    name `local`, or a job that runs.
    """
    if job_meta.get(JobMetaKey.JOB_ID.value) != job_id:
        return "the job's record is another job's"
    engine = fl_ctx.get_engine()
    if engine is not None and job_id in engine.get_all_job_ids():
        return "the job runs already"
    folder = Path(workspace.get_run_dir(job_id))
    if folder.exists() and not (folder / DEPLOYED).is_file():
        return "the job's identifier is the name of a folder that is no run's"
    return ""
