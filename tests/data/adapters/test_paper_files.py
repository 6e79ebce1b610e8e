"""The paper's setting as files: every one of them works on a tree of the same layout."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from miniature_trees import amos22, mmwhs, totalsegmentator_ct, totalsegmentator_mr

from fedgin.data.prepare import prepare_site
from fedgin.settings import make_settings
from fedgin.sites.lookup import load_site

PAPER = Path(__file__).resolve().parents[3] / "site_configs" / "examples" / "paper"
ABDOMEN = ("totalsegmentator-ct", "totalsegmentator-mr", "amos22-ct", "amos22-mr")
HEART = ("totalsegmentator-ct", "totalsegmentator-mr", "mmwhs-ct", "mmwhs-mr")


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment that the files need."""
    folder = tmp_path_factory.mktemp("roots")
    trees = {
        "TOTALSEGMENTATOR_CT_ROOT": totalsegmentator_ct(folder / "ct", subjects=6),
        "TOTALSEGMENTATOR_MR_ROOT": totalsegmentator_mr(folder / "mr", subjects=6),
        "AMOS22_ROOT": amos22(folder / "amos22"),
        "MMWHS_ROOT": mmwhs(folder / "mmwhs", ct=5, mr=5),
    }
    return {name: str(path) for name, path in trees.items()}


@pytest.fixture
def paper(roots: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, path in {**roots, "FEDGIN_SITE_CONFIGS": str(PAPER)}.items():
        monkeypatch.setenv(name, path)


def commands() -> list[list[str]]:
    """The commands of the README, as a shell reads them."""
    blocks = re.findall(r"```\n(.*?)```", (PAPER / "README.md").read_text(), re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def study(task: str) -> list[str]:
    (command,) = (line for line in commands() if line[:2] == ["fedgin", "study"] and task in line)
    return command


def test_every_file_is_tried_here() -> None:
    assert {file.stem for file in PAPER.glob("*.yaml")} == {*ABDOMEN, *HEART}


@pytest.mark.parametrize(
    ("task", "name"),
    [*(("abdomen", name) for name in ABDOMEN), *(("heart", name) for name in HEART)],
)
def test_a_miniature_tree_is_prepared(paper: None, task: str, name: str) -> None:
    site = load_site(name)
    assert site.path.parent == PAPER
    assert site.config.modality == name[-2:].upper()
    assert site.config.share_images is False
    unseen = name.startswith("amos22")
    settings = make_settings(task=task, spacing=[8.0, 8.0, None])
    prepared = prepare_site(site, settings, partial=unseen, trains=not unseen)
    sizes = {split: len(cases) for split, cases in prepared.splits.items()}
    expected = {
        "totalsegmentator-ct": {"train": 4, "validation": 1, "test": 1},
        "totalsegmentator-mr": {"train": 4, "validation": 1, "test": 1},
        "amos22-ct": {"train": 0, "validation": 0, "test": 3},
        "amos22-mr": {"train": 0, "validation": 0, "test": 3},
        "mmwhs-ct": {"train": 3, "validation": 1, "test": 1},
        "mmwhs-mr": {"train": 3, "validation": 1, "test": 1},
    }
    assert sizes == expected[name]
    assert prepared.not_annotated == ()
    assert prepared.without_foreground == ()
    classes = range(settings.task.n_classes)
    assert all(set(np.unique(c.label)) == set(classes) for c in prepared.splits["test"])


@pytest.mark.parametrize("task", ["abdomen", "heart"])
def test_the_studys_command_is_sound(paper: None, tmp_path: Path, task: str) -> None:
    from fedgin.overrides import parse_overrides
    from fedgin.study.build import StudyRequest, define_study

    command = study(task)
    unseen = option(command, "--unseen").split(",") if "--unseen" in command else ()
    sets = [word for place, word in enumerate(command) if command[place - 1] == "--set"]
    definition = define_study(
        StudyRequest(
            task=task,
            folder=tmp_path,
            augmentations=option(command, "--augmentations").split(","),
            regimes=option(command, "--regimes").split(","),
            seeds=int(option(command, "--seeds")),
            training=option(command, "--sites").split(","),
            unseen=unseen,
            overrides=parse_overrides(sets),
            rounds=int(option(command, "--rounds")),
        )
    )
    assert {site.config.modality for site in definition.training_sites} == {"CT", "MR"}
    assert definition.rounds == 100
    assert definition.base.learning_rate == 5e-4
    assert definition.base.steps_per_round == int(
        next(text for text in sets if text.startswith("steps_per_round")).partition("=")[2]
    )
    # Two sites alone, both pooled, both federated: five models' worth for each seed.
    assert len(definition.runs) == 3 * (5 * 2 + 5 + 5)


def test_a_studys_unseen_hospitals_need_nobody_who_trains(paper: None, tmp_path: Path) -> None:
    from fedgin.study.build import StudyRequest, define_study
    from fedgin.study.measure import prepare_unseen_sites, unseen_cases

    definition = define_study(
        StudyRequest(
            task="abdomen",
            folder=tmp_path,
            regimes=["centralized"],
            training=ABDOMEN[:2],
            unseen=ABDOMEN[2:],
        )
    )
    sites = prepare_unseen_sites(definition, make_settings(task="abdomen", spacing=[8, 8, None]))
    assert {name: len(unseen_cases(data)) for name, data in sites.items()} == {
        "amos22-ct": 3,
        "amos22-mr": 3,
    }


def test_other_commands_name_files_that_are_there() -> None:
    prepared = [line for line in commands() if line[:2] == ["fedgin", "prepare"]]
    assert {name for line in prepared for name in option(line, "--sites").split(",")} == {
        file.stem for file in PAPER.glob("*.yaml")
    }
    (simulated,) = (line for line in commands() if line[:2] == ["nvflare", "simulator"])
    assert option(simulated, "-c").split(",") == list(ABDOMEN[:2])


@pytest.mark.slow
def test_a_tiny_study_of_the_papers_setting(roots: dict[str, str], tmp_path: Path) -> None:
    command = study("abdomen")
    tiny = ("channels=[4,8,16]", "patch_size=[16,16]", "spacing=[6.0,6.0,null]")
    arguments = [
        *("study", "--task", "abdomen", "--sites", option(command, "--sites")),
        *("--unseen", option(command, "--unseen"), "--augmentations", "gin"),
        *("--regimes", "local,centralized,federated", "--rounds", "1"),
        *(word for text in (*tiny, "steps_per_round=2") for word in ("--set", text)),
        *("--out", str(tmp_path / "study")),
    ]
    result = subprocess.run(
        [str(Path(sys.executable).parent / "fedgin"), *arguments],
        env={**os.environ, **roots, "FEDGIN_SITE_CONFIGS": str(PAPER)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    record = json.loads((tmp_path / "study" / "results.json").read_text())
    assert [run["status"] for run in record["runs"]] == ["done"] * 4
    rows = (tmp_path / "study" / "results.csv").read_text().splitlines()
    column = rows[0].split(",").index("test_site")
    tested = {row.split(",")[column] for row in rows[1:]}
    assert tested == set(ABDOMEN)
