"""The numbers in README, measured again by the commands that README names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


def fedgin(*arguments: str, repository: Path, cache: Path) -> str:
    result = subprocess.run(
        [sys.executable, "-c", "from fedgin.cli import main; main()", *arguments],
        cwd=repository,
        env={
            **os.environ,
            "PWD": str(repository),
            "XDG_CACHE_HOME": str(cache),
            "COLUMNS": "160",
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=1500,
    )
    sys.stdout.write(result.stdout)
    return result.stdout


# Without FEDGIN_LONG_TESTS the quick study shows it, on four sites: this takes twenty minutes.
@pytest.mark.slow
@pytest.mark.skipif("FEDGIN_LONG_TESTS" not in os.environ, reason="with FEDGIN_LONG_TESTS only")
@pytest.mark.timeout(1600)
def test_gin_gains_on_the_other_modality_and_costs_little_on_its_own(
    repository: Path, tmp_path: Path
) -> None:
    job = str(repository / "jobs" / "fed_gin_heart")
    output = fedgin("compare", "--job", job, "--seeds", "2", repository=repository, cache=tmp_path)
    gains = {
        name: (float(mean), float(least))
        for name, mean, least in re.findall(
            r"gain of gin, (\w+) modality: mean ([+-]\d\.\d+), least ([+-]\d\.\d+)", output
        )
    }
    mean, least = gains["other"]
    assert mean >= 0.15
    assert least >= 0
    assert gains["own"][1] >= -0.05


@pytest.mark.slow
def test_gin_costs_at_most_three_percent_of_a_training_step(
    repository: Path, tmp_path: Path
) -> None:
    file = tmp_path / "bench.json"
    # One thread: waking a second one for each small operation costs more than it does.
    only_steps = ("bench", "--only", "step", "--threads", "1", "--json", str(file))
    fedgin(*only_steps, repository=repository, cache=tmp_path)
    figures = {one["name"]: one["value"] for one in json.loads(file.read_text())["figures"]}
    assert figures["GIN: share of a step"] <= 3.0


@pytest.mark.slow
def test_the_second_preparation_is_at_least_five_times_faster(
    repository: Path, tmp_path: Path
) -> None:
    seconds = []
    for _ in range(2):
        output = fedgin("prepare", repository=repository, cache=tmp_path)
        rows = re.findall(r"site-\d.*?([\d.]+)\s*│\s*$", output, flags=re.MULTILINE)
        assert len(rows) == 2, output
        seconds.append(sum(float(value) for value in rows))
    assert seconds[0] >= 5 * seconds[1]
