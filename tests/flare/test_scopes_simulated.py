"""Whole runs with the filters of a site's scopes: what they change, and what leaves a site."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch

from fedgin.flare.record import LONGEST_REASON
from fedgin.jobs.export import export_job
from fedgin.privacy.accounting import gaussian_epsilon
from fedgin.privacy.clipping import clip_update

from .conftest import QUICK, ROUNDS, SimulatedRun, simulate
from .leaking_learner import CANARY

pytestmark = pytest.mark.slow
PIECE = 16
"""Bytes of four neighbouring float32 values, which do not come together by chance."""
FAILING = "site-2"
TASKS = ("train", "validate", "submit_model", "deliver")


def simulate_in_scope(
    job: Path, folder: Path, scope: str, repository: Path, sites: Path
) -> SimulatedRun:
    """Runs a job whose own filters are those of a hospital's scope.

    The clients of FLARE's simulator know no scopes; see tests/poc/test_privacy_scopes.py.
    """
    policy = json.loads((repository / "site_configs" / "hospital" / "privacy.json").read_text())
    (content,) = (part for part in policy["scopes"] if part["name"] == scope)
    file = job / "app" / "config" / "config_fed_client.json"
    client = json.loads(file.read_text())
    # A job's filters have one direction; of a scope's those that see the server's tasks count.
    for name, direction in (("task_data_filters", "in"), ("task_result_filters", "out")):
        filters = [each for each in content[name] if each["direction"] == direction]
        client[name] = [{"tasks": list(TASKS), "filters": filters}]
    file.write_text(json.dumps(client))
    return simulate(job, folder, site_configs=sites, arguments=["-n", "2", "-t", "2"])


@pytest.fixture(scope="module")
def open_run(
    quick_job: Path,
    repository: Path,
    phantom_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> SimulatedRun:
    folder = tmp_path_factory.mktemp("open")
    job = Path(shutil.copytree(quick_job, folder / "job"))
    return simulate_in_scope(job, folder, "open", repository, phantom_folder)


def test_the_open_scope_changes_no_bit_of_the_model(
    two_threads: SimulatedRun, open_run: SimulatedRun
) -> None:
    plain, guarded = (
        torch.load(run.last_model, weights_only=True)["model"] for run in (two_threads, open_run)
    )
    assert plain.keys() == guarded.keys()
    assert all(torch.equal(plain[name], guarded[name]) for name in plain)
    for part in ("validation", "final", "receipts", "training_slices"):
        assert open_run.report[part] == two_threads.report[part]
    # They stand in the order of arrival.
    given, expected = (
        {number: sorted(sites) for number, sites in run.report["contributions"].items()}
        for run in (open_run, two_threads)
    )
    assert given == expected
    assert open_run.report["failures"] == []


@pytest.fixture(scope="module")
def tap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tap")


@pytest.fixture(scope="module")
def strict_run(
    repository: Path, phantom_folder: Path, tap: Path, tmp_path_factory: pytest.TempPathFactory
) -> SimulatedRun:
    """Sites that leak wherever they can, in a job that also asks for their own models."""
    folder = tmp_path_factory.mktemp("strict")
    settings = [*QUICK, f"num_rounds={ROUNDS}", "min_clients=1", "min_sites.mr=0"]
    job = export_job(
        repository / "jobs" / "fed_gin_heart", folder / "job", byoc=True, overrides=settings
    )
    client, server = (job / "app" / "config" / f"config_fed_{n}.json" for n in ("client", "server"))
    content = json.loads(client.read_text())
    (learner,) = (part for part in content["components"] if part["id"] == "learner")
    learner["path"] = "leaking_learner.LeakingLearner"
    learner["args"].update({"tap": str(tap), "failing_site": FAILING})
    client.write_text(json.dumps(content))
    content = json.loads(server.read_text())
    (evaluation,) = (w for w in content["workflows"] if w["id"] == "cross_site_model_eval")
    evaluation["args"]["submit_model_task_name"] = "submit_model"
    server.write_text(json.dumps(content))
    shutil.copy(Path(__file__).with_name("leaking_learner.py"), job / "app" / "custom")
    return simulate_in_scope(job, folder, "strict", repository, phantom_folder)


def arrays_of(tap: Path, pattern: str) -> list[dict[str, np.ndarray]]:
    loaded = []
    for file in sorted(tap.glob(pattern)):
        with np.load(file, allow_pickle=False) as content:
            loaded.append({name: content[name] for name in content.files})
    return loaded


def pieces_of(updates: Iterable[dict[str, np.ndarray]]) -> set[bytes]:
    pieces = set()
    for update in updates:
        for array in update.values():
            raw = array.astype(np.float32).tobytes()
            found = {raw[i : i + PIECE] for i in range(0, len(raw) - PIECE + 1, PIECE)}
            pieces |= {piece for piece in found if len(set(piece)) > 8}  # no zeros and the like
    return pieces


def occurrences(content: bytes, pieces: set[bytes]) -> int:
    return sum(content[i : i + PIECE] in pieces for i in range(len(content) - PIECE + 1))


def everything_sent(strict_run: SimulatedRun, tap: Path) -> bytes:
    content = b"".join(file.read_bytes() for file in sorted(tap.glob("sent-*")))
    assert len(list(tap.glob("sent-*"))) == 2, strict_run.output[-3000:]
    return content


def test_no_raw_value_and_no_name_leaves_a_site_on_any_channel(
    strict_run: SimulatedRun, tap: Path
) -> None:
    sent = everything_sent(strict_run, tap)
    raw = arrays_of(tap, "raw-*")
    assert len(raw) == 3 + 2, strict_run.output[-3000:]  # one site failed once; both have a model
    clipped = [clip_update(update, max_norm=0.01)[0] for update in raw]
    # The tap sees what is sent: every noisy update, whole but where frames are cut.
    filtered = arrays_of(tap, "filtered-*")
    assert len(filtered) == 3
    allowed = pieces_of(filtered)
    assert len(allowed) > 1000
    assert occurrences(sent, allowed) > 0.95 * len(allowed)
    assert occurrences(sent, pieces_of([*raw, *clipped])) == 0
    assert CANARY.encode() not in sent


def test_nor_does_the_server_hold_any(strict_run: SimulatedRun, tap: Path) -> None:
    raw = pieces_of(arrays_of(tap, "raw-*"))
    files = [file for file in strict_run.server.rglob("*") if file.is_file()]
    files = [file for file in files if "custom" not in file.parts]  # the code names the canary
    assert strict_run.last_model in files
    for file in files:
        content = file.read_bytes()
        assert CANARY.encode() not in content, file
        assert occurrences(content, raw) == 0, file


def test_the_loss_of_privacy_and_the_refusal_are_in_the_result(strict_run: SimulatedRun) -> None:
    losses = [
        gaussian_epsilon(noise_multiplier=5.0, releases=number, delta=1e-5) for number in (1, 2)
    ]
    with (strict_run.server / "contributions.csv").open() as file:
        rows = {(int(row["round"]), row["site"]): row for row in csv.DictReader(file)}
    assert float(rows[1, "site-1"]["epsilon"]) == pytest.approx(losses[0], rel=1e-4)
    assert float(rows[2, "site-1"]["epsilon"]) == pytest.approx(losses[1], rel=1e-4)
    assert rows[2, "site-1"]["delta"] == "1e-05"
    failed = rows[2, FAILING]
    assert failed["contribution"] == "refused"
    assert failed["reason"] == f"{FAILING} answered EXECUTION_EXCEPTION"[:LONGEST_REASON]
    assert failed["epsilon"] == ""
    assert f"site-1: epsilon {losses[1]:.3f}, delta 1e-05" in strict_run.output
    final = strict_run.report["final"]
    assert set(final) == {"best", "last"}
    assert all(set(reports) == {"site-1", "site-2"} for reports in final.values())


def log_of(strict_run: SimulatedRun, site: str) -> str:
    """Returns a site's own log, where the reasons are."""
    files = sorted((strict_run.workspace / site).rglob("log.txt"))
    assert files
    return "".join(file.read_text() for file in files)


def test_only_server_models_are_evaluated(strict_run: SimulatedRun) -> None:
    file = strict_run.server / "cross_site_val" / "cross_val_results.json"
    results: dict[str, dict[str, object]] = json.loads(file.read_text())
    measured = {model for models in results.values() for model in models}
    assert measured
    assert all(model.startswith("SRV_") for model in measured)
    refused = "WEIGHTS may not leave in answer to task 'submit_model'"
    assert all(refused in log_of(strict_run, site) for site in ("site-1", "site-2"))
