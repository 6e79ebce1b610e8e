"""A site's side of a fingerprint: it counts, and answers what its own file lets leave.

The module imports little, because FLARE's simulator may start a process for every task.
"""

from __future__ import annotations

from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.executor import Executor
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.signal import Signal

from fedgin.errors import FedginError
from fedgin.flare.context import CONFIG_FOLDER, app_folder, local_folder
from fedgin.flare.site_meta import PRIVACY_BUDGET_SPENT
from fedgin.package import check_package
from fedgin.privacy.budget import BudgetSpentError
from fedgin.sites.lookup import load_site
from fedgin.tasks import get_task

FINGERPRINT_TASK = "fingerprint"


class FingerprintExecutor(Executor):
    """Answers a site's counts; a refusal stays in the site's own log and the server gets a code."""

    def execute(
        self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal
    ) -> Shareable:
        """Counts the site's training cases."""
        if task_name != FINGERPRINT_TASK:
            return make_reply(ReturnCode.TASK_UNKNOWN)
        from fedgin.fingerprint.answer import answer_of
        from fedgin.fingerprint.settings import read_fingerprint_settings
        from fedgin.fingerprint.site_facts import Stopped

        try:
            config = app_folder(fl_ctx) / CONFIG_FOLDER
            check_package(config)
            settings = read_fingerprint_settings(config)
            site = load_site(fl_ctx.get_identity_name(), local_folder=local_folder(fl_ctx))
            summary = answer_of(
                site, get_task(settings.task), should_stop=lambda: bool(abort_signal.triggered)
            )
        except Stopped:
            return make_reply(ReturnCode.TASK_ABORTED)
        except BudgetSpentError as error:
            self.log_warning(fl_ctx, f"no fingerprint leaves: {error}", fire_event=False)
            return make_reply(PRIVACY_BUDGET_SPENT)
        except (FedginError, OSError) as error:
            self.log_error(fl_ctx, f"refused: {error}", fire_event=False)
            return make_reply(ReturnCode.EXECUTION_EXCEPTION)
        self.log_info(
            fl_ctx,
            f"fingerprint: {summary.status}; smallest count {summary.smallest_count}, epsilon "
            f"{summary.epsilon}",
            fire_event=False,
        )
        return DXO(data_kind=DataKind.METRICS, data=summary.message()).to_shareable()
