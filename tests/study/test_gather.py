"""A study's folder keeps everything that was ever run in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedgin.study.build import StudyRequest, define_study
from fedgin.study.definition import StudyDefinition
from fedgin.study.gather import all_outcomes, gather
from fedgin.study.outcome import Outcome, save_outcome


def define(folder: Path, **values: Any) -> StudyDefinition:
    return define_study(StudyRequest(**{"task": "heart", "folder": folder, **values}))


def finish(definition: StudyDefinition) -> set[str]:
    for run in definition.runs:
        save_outcome(definition.run_folder(run), Outcome(status="done", command="before"))
    return {run.identifier for run in definition.runs}


def names(definition: StudyDefinition) -> list[str]:
    return [run.identifier for run in definition.runs]


def test_narrower_commands_join_what_was_run_before(tmp_path: Path) -> None:
    wide = define(tmp_path, augmentations=["none", "gin"], seeds=2)
    before = finish(wide)
    narrow = define(tmp_path, augmentations=["none"], regimes=["local"])
    assert set(names(gather(narrow))) == before
    assert gather(narrow).seeds == (0, 1)
    outcomes = all_outcomes(gather(narrow), {})
    assert {outcome.status for outcome in outcomes.values()} == {"done"}
    assert outcomes.keys() == before


def test_order_does_not_depend_on_the_command(tmp_path: Path) -> None:
    wide = define(tmp_path, augmentations=["gin", "none"], seeds=2)
    finish(wide)
    narrow = define(tmp_path, augmentations=["none"], regimes=["centralized"])
    assert names(gather(narrow)) == names(gather(wide))


def test_algorithms_stand_side_by_side(tmp_path: Path) -> None:
    values = {"regimes": ["federated", "fine-tuned"], "augmentations": ["none"]}
    before = finish(define(tmp_path, **values))
    whole = gather(define(tmp_path, algorithm="scaffold", **values))
    assert before < set(names(whole))
    assert {run.algorithm for run in whole.runs} == {"fedavg", "scaffold"}
    tuned = [run for run in whole.runs if run.regime == "fine-tuned"]
    starts = {run.identifier: run.algorithm for run in whole.runs if run.regime == "federated"}
    assert all(starts[run.needs or ""] == run.algorithm for run in tuned)


def test_an_interrupted_run_is_pending_and_folders_of_others_are_no_runs(tmp_path: Path) -> None:
    asked = define(tmp_path, regimes=["local"], augmentations=["none"])
    interrupted = "local_bezier_seed7_mr-t1"
    for name in (interrupted, "local_none_seed0_elsewhere", "notes", "a_b_seedx_c"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    (tmp_path / "runs" / "local_gin_seed0_mr-t1").write_text("a file")
    whole = gather(asked)
    assert set(names(whole)) == {*names(asked), interrupted}
    assert interrupted not in all_outcomes(whole, {})
