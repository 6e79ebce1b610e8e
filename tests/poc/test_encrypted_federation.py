"""A federation with keys for homomorphic encryption, by the walk-through's own commands."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tenseal

from fedgin.encryption.contexts import CLIENT_FILE, PRECISION, SERVER_FILE
from fedgin.release.model_file import ReleasedModel, read_release
from plain_values import find_values, hold_any, secret_pieces

from .conftest import SETUP, section
from .federation import (
    HOSPITALS,
    SERVER,
    Federation,
    contributions,
    copy_project,
    free_port,
    report_of,
)

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class EncryptedRun:
    """A finished encrypted job."""

    federation: Federation
    job: str

    @property
    def workspace(self) -> Path:
        """What was downloaded."""
        return self.federation.folder / "results" / self.job / "workspace"

    def model(self, site: str) -> ReleasedModel:
        """The model that a hospital holds."""
        (folder,) = (self.federation.kit(site) / self.job / "models").iterdir()
        return read_release(folder)


@pytest.fixture(scope="module")
def run(
    repository: Path, walkthrough: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EncryptedRun]:
    """Kits of their own, and one job."""
    made = Federation(folder=tmp_path_factory.mktemp("he"), repository=repository)
    copy_project(repository, made.folder, port=free_port(), project="project_he.yml")
    try:
        for beginning in ("9. With homomorphic", *SETUP[:2]):
            made.bash(section(walkthrough, beginning))
        # Step 3 is that of any kits; all at once is faster.
        made.environment["GRPC_ENABLE_FORK_SUPPORT"] = "false"
        made.environment["LEAD"] = str(made.kit("lead@hospital-a.org"))
        made.start_all()
        begin = time.monotonic()
        printed = made.bash(section(walkthrough, "An encrypted job"), timeout=560)
        sys.stdout.write(f"\nencrypted job of 2 rounds: {time.monotonic() - begin:.0f} s\n")
        job = json.loads((made.folder / "submitted_he.json").read_text())["data"]["job_id"]
        for site in HOSPITALS:
            assert f"{site}/{job}/models/" in printed
        yield EncryptedRun(federation=made, job=job)
    finally:
        made.stop()


def test_the_job_ends_well_and_all_hospitals_hold_the_same_model(run: EncryptedRun) -> None:
    report = report_of(run.workspace)
    assert report["failures"] == []
    everyone = dict.fromkeys(HOSPITALS, "accepted")
    assert contributions(run.workspace) == {1: everyone, 2: everyone}
    assert set(report["final"]["best"]) == set(HOSPITALS)
    models = [run.model(site) for site in HOSPITALS]
    assert len({model.content for model in models}) == 1
    assert report["released"] == models[0].card.weights.sha256
    assert report["receipts"] == dict.fromkeys(HOSPITALS, report["released"])


def test_the_server_s_kit_has_no_secret_key(run: EncryptedRun) -> None:
    contexts = {
        name: tenseal.context_from((run.federation.kit(name) / "startup" / file).read_bytes())
        for name, file in ((SERVER, SERVER_FILE), *((site, CLIENT_FILE) for site in HOSPITALS))
    }
    assert not contexts[SERVER].has_secret_key()
    assert all(contexts[site].has_secret_key() for site in HOSPITALS)
    assert not (run.federation.kit(SERVER) / "startup" / CLIENT_FILE).exists()


def test_neither_model_nor_key_is_at_the_server_or_in_the_download(run: EncryptedRun) -> None:
    model = run.model(HOSPITALS[0])
    server, site = (run.federation.kit(name) for name in (SERVER, HOSPITALS[0]))
    pieces = secret_pieces(
        (site / "startup" / CLIENT_FILE).read_bytes(),
        (server / "startup" / SERVER_FILE).read_bytes(),
    )
    jobs = run.federation.folder / "storage" / "jobs"
    assert any(jobs.rglob("*"))
    for folder in (server, jobs, run.workspace):
        assert find_values(folder, model.weights) == {}, folder
        assert hold_any(folder, pieces) == [], folder
    # The same search finds both at the hospital.
    assert find_values(site, model.weights)
    assert hold_any(site, pieces)


def test_a_run_goes_on_from_a_checkpoint_that_the_server_cannot_read(run: EncryptedRun) -> None:
    storage = run.federation.folder / "storage" / "checkpoints"
    model = run.model(HOSPITALS[0])
    assert find_values(storage, model.weights) == {}
    (file,) = storage.rglob("after-round-00001.ckpt")
    run.federation.bash(f"fedgin job resume '{file}' \"$FED/jobs/he_rest\" --installed")
    rest = run.federation.submit(run.federation.folder / "jobs" / "he_rest")
    assert run.federation.wait(rest) == "FINISHED:COMPLETED"
    resumed = EncryptedRun(run.federation, rest).model(HOSPITALS[0])
    assert resumed.card.lineage == model.card.lineage
    assert resumed.card.choice == model.card.choice
    for name, array in model.weights.items():
        # Conv biases in front of an instance norm have no effect, and so no settled value.
        if not name.endswith("conv.bias"):
            assert np.abs(resumed.weights[name] - array).max() < 2 * PRECISION, name


def test_a_changed_context_is_refused_by_its_signature(run: EncryptedRun, tmp_path: Path) -> None:
    from nvflare.fuel.sec.security_content_service import LoadResult, SecurityContentManager

    startup = run.federation.kit(HOSPITALS[0]) / "startup"
    for file in startup.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    assert SecurityContentManager(str(tmp_path)).load_content(CLIENT_FILE)[1] == LoadResult.OK
    content = (tmp_path / CLIENT_FILE).read_bytes()
    (tmp_path / CLIENT_FILE).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    _, result = SecurityContentManager(str(tmp_path)).load_content(CLIENT_FILE)
    assert result == LoadResult.INVALID_SIGNATURE
