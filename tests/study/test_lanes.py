"""Where a study's runs run: what is stopped stays stopped."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from fedgin.flare.simulation import SimulationError
from fedgin.study.build import StudyRequest, define_study
from fedgin.study.lanes import Lanes
from fedgin.study.store import open_folder


def test_a_federation_that_was_about_to_start_does_not_outlive_the_stop(tmp_path: Path) -> None:
    definition = define_study(
        StudyRequest(
            task="heart",
            folder=tmp_path / "study",
            regimes=["federated"],
            augmentations=["none"],
            rounds=1,
        )
    )
    open_folder(definition)
    lanes = Lanes(definition, workers=1)
    federation = lanes.federate(definition.runs[0])
    while not federation.running():
        time.sleep(0.001)
    lanes.stop()  # while the job is being exported
    with pytest.raises(SimulationError, match="a run must leave a report"):
        federation.result(timeout=60)
    ours = str(tmp_path)
    left = [
        p for p in psutil.process_iter(["cmdline"]) if ours in " ".join(p.info["cmdline"] or [])
    ]
    assert left == []
