"""A site's executor: what it answers, and that refusals stay at home."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from nvflare.apis.dxo import DataKind, from_shareable
from nvflare.apis.fl_constant import FLContextKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal

from fedgin.errors import ConfigError
from fedgin.fingerprint.document import read_summary
from fedgin.flare.fingerprint.executor import FINGERPRINT_TASK, FingerprintExecutor
from fedgin.flare.fingerprint.workflow import FingerprintWorkflow
from fedgin.flare.site_meta import PRIVACY_BUDGET_SPENT

from .filters.answers import SITE, site_context

SITE_FILE = """\
modality: CT
dataset: {{kind: phantom, protocol: {protocol}, seed: 3, cases: 2}}
split: {{by: fraction, validation: 0, test: 0}}
device: cpu
threads: 1
state: {{folder: {state}}}
"""


@pytest.fixture
def fl_ctx(tmp_path: Path, repository: Path) -> FLContext:
    made = site_context(tmp_path / "kit")
    app = tmp_path / "app"
    shutil.copytree(repository / "jobs" / "fingerprint" / "app" / "config", app / "config")
    made.set_prop(FLContextKey.APP_ROOT, str(app), private=True, sticky=False)
    return made


@pytest.fixture
def ask(tmp_path: Path, fl_ctx: FLContext) -> Callable[..., Shareable]:
    """Writes a site's file and asks the site."""

    def answer(
        *lines: str, protocol: str = "arterial", task: str = FINGERPRINT_TASK, stop: bool = False
    ) -> Shareable:
        text = SITE_FILE.format(protocol=protocol, state=tmp_path / "state")
        file = tmp_path / "kit" / "local" / f"{SITE}.yaml"
        file.write_text(text + "".join(f"{line}\n" for line in lines))
        signal = Signal()
        if stop:
            signal.trigger(True)
        return FingerprintExecutor().execute(task, Shareable(), fl_ctx, signal)

    return answer


def test_counts_of_a_site_s_training_cases(ask: Callable[..., Shareable]) -> None:
    dxo = from_shareable(ask())
    assert dxo.data_kind == DataKind.METRICS
    summary = read_summary(dxo.data)
    assert summary.modalities["CT"].cases == 2
    assert sum(summary.modalities["CT"].histograms["intensity"]) == 2000
    assert summary.memory.startswith("cpu-")


def test_a_floor_that_is_not_reached_sends_nothing(ask: Callable[..., Shareable]) -> None:
    summary = read_summary(from_shareable(ask("fingerprint: {smallest_count: 5}")).data)
    assert (summary.status, summary.modalities) == ("too few", {})


def test_a_noisy_answer_is_the_same_when_asked_again_and_is_paid_for(
    ask: Callable[..., Shareable],
) -> None:
    policy = "fingerprint: {epsilon: 4, epsilon_all_runs: 10}"
    first, again = (from_shareable(ask(policy)).data for _ in range(2))
    assert first["epsilon"] == 4
    assert first == again
    other = "fingerprint: {epsilon: 5, epsilon_all_runs: 10}"
    assert from_shareable(ask(other)).data["epsilon"] == 5
    # A third answer would need 4 + 5 + 3; those given before are given still.
    third = "fingerprint: {epsilon: 3, epsilon_all_runs: 10}"
    assert ask(third).get_return_code() == PRIVACY_BUDGET_SPENT
    assert from_shareable(ask(policy)).data == first


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"protocol": "magic"}, ReturnCode.EXECUTION_EXCEPTION),
        ({"task": "another"}, ReturnCode.TASK_UNKNOWN),
        ({"stop": True}, ReturnCode.TASK_ABORTED),
    ],
)
def test_a_refusal_is_a_code(
    ask: Callable[..., Shareable], given: dict[str, str], code: str
) -> None:
    answer = ask(**given)
    assert answer.get_return_code() == code
    assert "DXO" not in answer


def test_a_job_without_its_settings_is_refused(
    ask: Callable[..., Shareable], tmp_path: Path
) -> None:
    (tmp_path / "app" / "config" / "fingerprint_settings.json").unlink()
    assert ask().get_return_code() == ReturnCode.EXECUTION_EXCEPTION


def test_a_workflow_that_would_wait_for_ever_or_for_nobody_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        FingerprintWorkflow(timeout=0, min_clients=0)
    assert len(caught.value.problems) == 2
