"""The numbers in README, measured again by the commands that README names."""

from __future__ import annotations

import itertools
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from small_study import run_study


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


@pytest.mark.slow
def test_gin_gains_on_the_other_modality_and_costs_little_on_its_own(
    repository: Path, tmp_path: Path
) -> None:
    sites = ("ct-arterial", "mr-bssfp")
    arguments = ("--regimes", "local", "--augmentations", "none,gin", "--sites", ",".join(sites))
    folder = repository / "site_configs" / "study"
    study = run_study(tmp_path / "out", arguments, site_configs=folder, timeout=580)
    assert study.code == 0, study.output

    def dice(augmentation: str, trained_on: str, tested_on: str) -> float:
        asked = ("dice", augmentation, trained_on, tested_on)
        return statistics.fmean(
            row.value
            for row in study.rows
            if (row.metric, row.augmentation, row.train_sites, row.test_site) == asked
            and row.value is not None
        )

    gains = {
        (trained_on, tested_on): dice("gin", trained_on, tested_on)
        - dice("none", trained_on, tested_on)
        for trained_on, tested_on in itertools.product(sites, sites)
    }
    other = [gain for (trained_on, tested_on), gain in gains.items() if trained_on != tested_on]
    assert statistics.fmean(other) >= 0.15, gains
    assert min(other) >= 0, gains
    assert min(gains[site, site] for site in sites) >= -0.05, gains


@pytest.mark.slow
@pytest.mark.skipif("FEDGIN_LONG_TESTS" not in os.environ, reason="with FEDGIN_LONG_TESTS only")
@pytest.mark.timeout(1600)
def test_so_does_the_comparison_that_readme_shows(repository: Path, tmp_path: Path) -> None:
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
