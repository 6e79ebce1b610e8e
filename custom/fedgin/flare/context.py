"""The few facts that our components ask of FLARE's context, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nvflare.apis.dxo import DXO, from_shareable
from nvflare.apis.fl_constant import FLContextKey, ReservedKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.app_constant import AppConstants

from fedgin.package import check_package
from fedgin.settings import SETTINGS_FILE, ResolvedSettings, read_settings

CONFIG_FOLDER = "config"
LINEAGE_HEADER = "fedgin_lineage"
"""Header of a train task: the name of the run, the same in every job that goes on with it."""
TOTAL_ROUNDS_HEADER = "fedgin_total_rounds"
"""Header of a train task: rounds of the whole run, of which a job may have only the rest."""


def app_folder(fl_ctx: FLContext) -> Path:
    """Returns the folder of the job's app at this site or server."""
    return Path(fl_ctx.get_prop(FLContextKey.APP_ROOT))


def run_folder(fl_ctx: FLContext) -> Path:
    """Returns this site's or server's folder for the run."""
    workspace = fl_ctx.get_engine().get_workspace()
    return Path(workspace.get_run_dir(fl_ctx.get_job_id()))


def local_folder(fl_ctx: FLContext) -> Path:
    """Returns the kit's `local` folder, which belongs to the site."""
    return Path(fl_ctx.get_engine().get_workspace().get_site_config_dir())


def run_stopped(fl_ctx: FLContext) -> bool:
    """Tells whether someone has stopped the run; its workflow may not know it yet."""
    signal = fl_ctx.get_prop(ReservedKey.RUN_ABORT_SIGNAL)
    return signal is not None and bool(signal.triggered)


def job_settings(fl_ctx: FLContext) -> ResolvedSettings:
    """Reads the job's training settings, after checking that the code is the job's.

    Raises:
        ConfigError: The code differs from what the job was exported with, or the settings break
            the schema.
    """
    folder = app_folder(fl_ctx) / CONFIG_FOLDER
    check_package(folder)
    return read_settings(folder / SETTINGS_FILE)


@dataclass(frozen=True)
class Contribution:
    """A site's answer to a train task, as the server received it."""

    site: str
    round_number: int
    dxo: DXO


def received_contribution(result: Shareable) -> Contribution:
    """Reads a train result.

    Raises:
        ValueError: The result is no DXO or names no site or round.
    """
    site = result.get_peer_prop(key=ReservedKey.IDENTITY_NAME, default=None)
    round_number = result.get_cookie(AppConstants.CONTRIBUTION_ROUND)
    if not isinstance(site, str) or not isinstance(round_number, int):
        raise ValueError(f"the result names no site or round ({site!r}, {round_number!r})")
    return Contribution(site=site, round_number=round_number, dxo=from_shareable(result))
