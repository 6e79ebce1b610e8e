"""A Learner does not train by settings that contradict the plan they pin."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from nvflare.apis.fl_constant import FLContextKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal

from fedgin.fingerprint.plan import Plan
from fedgin.flare.learner import SiteLearner
from fedgin.jobs.export import export_job

from .filters.answers import SITE, site_context

PLAN = Plan(
    task="heart",
    spatial_dims=2,
    spacing=(5.0, 5.0, None),
    patch_size=(64, 64),
    channels=(8, 16, 32),
    batch_size=4,
    ct_window=(-150.0, 450.0),
    mr_percentile=None,
    memory="cpu-8",
    cases={"CT": 1},
    volumes_ml={},
    fingerprint="ab" * 32,
)


@pytest.fixture
def app(repository: Path, tmp_path: Path) -> Path:
    file = tmp_path / "plan.json"
    file.write_text(PLAN.to_text())
    job = repository / "jobs" / "fed_gin_heart"
    return export_job(job, tmp_path / "job", byoc=False, plan=file) / "app"


@pytest.fixture
def fl_ctx(app: Path, tmp_path: Path, phantom_folder: Path) -> FLContext:
    made = site_context(tmp_path / "kit")
    text = (phantom_folder / f"{SITE}.yaml").read_text().replace("cases: 4", "cases: 3")
    (tmp_path / "kit" / "local" / f"{SITE}.yaml").write_text(text)
    made.set_prop(FLContextKey.APP_ROOT, str(app), private=True, sticky=False)
    return made


@pytest.mark.parametrize(
    ("file", "key", "value", "words"),
    [
        ("plan.json", "batch_size", 8, "the settings pin the plan"),
        ("training.json", "batch_size", 8, "key 'batch_size'"),
        ("training.json", "ct_window", [0, 80], "key 'ct_window'"),
    ],
)
def test_every_task_is_refused(
    app: Path,
    fl_ctx: FLContext,
    caplog: pytest.LogCaptureFixture,
    file: str,
    key: str,
    value: object,
    words: str,
) -> None:
    path = app / "config" / file
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    learner = SiteLearner()
    learner.initialize({}, fl_ctx)
    with caplog.at_level(logging.ERROR):
        answer = learner.train(Shareable(), fl_ctx, Signal())
    assert answer.get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    assert words in caplog.text


def test_settings_that_follow_their_plan_are_taken(app: Path, fl_ctx: FLContext) -> None:
    learner = SiteLearner()
    learner.initialize({}, fl_ctx)
    assert learner._refusal is None
    assert learner._work is not None
    assert learner._work.settings.ct_window == (-150.0, 450.0)
