"""Running `fedgin study` as a user does, and reading what it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedgin.study.rows import Row, read_rows

SMALL = (
    *("--set", "channels=[8,16,32]", "--set", "patch_size=[64,64]"),
    *("--set", "spacing=[5.0,5.0,null]", "--set", "batch_size=4", "--set", "steps_per_round=4"),
    *("--rounds", "2"),
)


@dataclass(frozen=True)
class SmallStudy:
    """What a study left behind."""

    folder: Path
    output: str
    code: int

    @property
    def rows(self) -> list[Row]:
        """All rows."""
        return read_rows(self.folder / "results.csv")

    @property
    def record(self) -> dict[str, Any]:
        """The record."""
        record: dict[str, Any] = json.loads((self.folder / "results.json").read_text())
        return record


def run_study(
    folder: Path,
    arguments: Sequence[str],
    *,
    site_configs: Path,
    timeout: int = 400,
    cwd: Path | None = None,
) -> SmallStudy:
    """Runs the console command in a process of its own."""
    command = Path(sys.executable).parent / "fedgin"
    result = subprocess.run(
        [str(command), "study", "--out", str(folder), *arguments],
        env={**os.environ, "FEDGIN_SITE_CONFIGS": str(site_configs)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        cwd=cwd,
        check=False,
    )
    return SmallStudy(folder=folder, output=result.stdout, code=result.returncode)


SITE = """\
modality: {modality}
dataset: {{kind: phantom, protocol: {protocol}, seed: {seed}, cases: {cases}}}
split: {{by: fraction, validation: 0.25, test: 0.25, seed: 0}}
device: cpu
threads: 1
"""


def write_site(
    folder: Path,
    name: str,
    *,
    modality: str,
    protocol: str,
    seed: int,
    cases: int = 4,
    more: str = "",
) -> None:
    """Writes the file of a small phantom site."""
    text = SITE.format(modality=modality, protocol=protocol, seed=seed, cases=cases)
    (folder / f"{name}.yaml").write_text(text + more)
