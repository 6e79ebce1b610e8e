"""Canaries: words planted wherever a site's files can carry a name, looked for at the server."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from fedgin.audit.canary_sites import BROKEN, PLACES, SOUND, plant
from fedgin.audit.row import AuditRow, Figure
from fedgin.audit.search import Found, search
from fedgin.documents import parse_json
from fedgin.errors import ConfigError, Problem
from fedgin.jobs.export import export_job
from fedgin.study.sites import checkout

TINY = (
    *("channels=[4,8]", "patch_size=[24,24]", "spacing=[5.0,5.0,null]", "batch_size=2"),
    *("steps_per_round=2", "num_rounds=1", "min_clients=1", "min_sites.ct=1", "min_sites.mr=0"),
    *("wait_time_after_min_received=30", "deliver_timeout=30", "validation_timeout=120"),
)
LOG_EVENTS = tuple(
    f"_{level}_log_available" for level in ("critical", "error", "exception", "warning", "info")
)
WORKSPACE, LOG = "workspace", "simulator.log"
LEDGER_POLICY = {
    "scopes": [{"name": "open", "task_data_filters": [], "task_result_filters": []}],
    "default_scope": "open",
    "components": [{"id": "fedgin_ledger", "path": "fedgin.flare.ledger.LedgerKeeper", "args": {}}],
}
"""A site's privacy.json: nothing is filtered, and a ledger is kept."""


def run(*, folder: Path, seed: int) -> AuditRow:
    """Runs a federation of a sound site and one that must refuse, and searches what each holds.

    The job asks for all that it may: pictures, and FLARE's error messages as events for the
    server. What the server holds is its whole workspace: logs, TensorBoard events, results, models,
    reports. The words are known to be in the sites' own workspaces, where refusals are logged, and
    in their data: without them the search would prove nothing.

    Args:
        folder: An empty folder.
        seed: Seed of words and volumes.
    """
    start = time.perf_counter()
    words = plant(folder / "sites", seed=seed)
    simulate_canaries(folder)
    server = search(folder / WORKSPACE / "server", words.values())
    sites = {name: search(folder / WORKSPACE / name, words.values()) for name in (SOUND, BROKEN)}
    data = search(folder / "sites", words.values())
    model = folder / WORKSPACE / "server/simulate_job/app_server/FL_global_model.pt"
    in_refusal = bool(sites[BROKEN].places[words["broken file"]])
    all_planted = all(data.places[word] for word in words.values())
    return AuditRow(
        attack="canaries in names, headers and folders",
        without=(
            Figure("planted", len(PLACES), "words"),
            Figure("found in the sites' data", data.occurrences, "occurrences"),
            Figure("found in the sites' run folders and logs", _sum(sites), "occurrences"),
        ),
        defended=(
            Figure("found in what the server holds", server.occurrences, "occurrences"),
            Figure("files searched there", server.files, "files"),
        ),
        bound="0 of the words at the server, all of them in the sites' data, and the broken file's "
        "name in the log of the site that refused it",
        holds=server.occurrences == 0 and in_refusal and all_planted and model.is_file(),
        seconds=time.perf_counter() - start,
    )


def simulate_canaries(folder: Path) -> None:
    """Runs the federation of the sites in `folder/sites`.

    Raises:
        ConfigError: There is no checkout, whose job is run.
    """
    from fedgin.flare.simulation import SimulationError, simulate

    root = checkout()
    if root is None:
        raise ConfigError(
            Problem("fedgin audit", "it runs jobs of the checkout", "none", "run it in a checkout")
        )
    job = export_job(root / "jobs/fed_gin_heart", folder / "job", byoc=True, overrides=TINY)
    _ask_for_error_messages(job)
    policy = folder / "privacy.json"
    policy.write_text(json.dumps(LEDGER_POLICY))
    try:
        simulate(
            job,
            workspace=folder / WORKSPACE,
            sites=(SOUND, BROKEN),
            site_configs=folder / "sites",
            log=folder / LOG,
            local_files=(policy,),
        )
    except SimulationError:
        return  # the site that refuses is a failure; whether the other took part is seen later


def _ask_for_error_messages(job: Path) -> None:
    """Lets the job send FLARE's error events to the server, which writes them to TensorBoard."""
    config = job / "app/config"
    client: dict[str, Any] = parse_json((config / "config_fed_client.json").read_text())
    server: dict[str, Any] = parse_json((config / "config_fed_server.json").read_text())
    _component(client, "event_to_fed")["events_to_convert"] += LOG_EVENTS
    _component(server, "tb_receiver")["events"] += [f"fed.{event}" for event in LOG_EVENTS]
    (config / "config_fed_client.json").write_text(json.dumps(client))
    (config / "config_fed_server.json").write_text(json.dumps(server))


def _component(content: dict[str, Any], name: str) -> dict[str, Any]:
    (arguments,) = (each["args"] for each in content["components"] if each["id"] == name)
    found: dict[str, Any] = arguments
    return found


def _sum(found: dict[str, Found]) -> int:
    return sum(each.occurrences for each in found.values())
