"""The server's rules for a round, as arguments of a job's components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedgin.config import parse
from fedgin.errors import ConfigError, Problem
from fedgin.federation_settings import FederationSettings, check_controls
from fedgin.jobs.encrypted import ENCRYPTED_AGGREGATOR
from fedgin.jobs.workflow import AGGREGATOR
from fedgin.overrides import merge

QUORUM = "fedgin.flare.quorum.ModalityQuorum"
READS_UPDATES = ("update_gate", "aggregation", "trim", "clip_norm", "byzantine")
"""Rules whose component looks into the updates."""
PLACES = {
    "weighting": AGGREGATOR,
    "max_weight_share": AGGREGATOR,
    "min_sites": QUORUM,
    **dict.fromkeys(READS_UPDATES, AGGREGATOR),
}
"""The component that each of the rules is an argument of."""


def set_rules(server: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Changes rules in a server configuration, in place.

    Args:
        server: Content of config_fed_server.json, its workflow set.
        overrides: Values by the names of `PLACES`; a mapping changes the keys that it has.

    Raises:
        ConfigError: A value breaks the schema, the job lacks the component, or its rules together
            cannot be kept.
    """
    found = {key: _arguments(server, key) for key in PLACES}
    if missing := [key for key in overrides if found[key] is None]:
        raise ConfigError(_no_component(key) for key in missing)
    before = {key: args[key] for key, args in found.items() if args is not None and key in args}
    rules = parse(FederationSettings, merge(before, dict(overrides)), where="--set")
    values = rules.model_dump(mode="json")
    for key in overrides:
        arguments = found[key]
        if arguments is not None:
            arguments[key] = values[key]
    aggregator = found["aggregation"]
    if aggregator is not None:
        if aggregator.get("controls"):
            check_controls(rules, where="--set")
        _check_number_of_sites(server, rules)


def _check_number_of_sites(server: Mapping[str, Any], rules: FederationSettings) -> None:
    from fedgin.engine.aggregation import shortage

    sites = server.get("min_clients")
    if isinstance(sites, int) and (reason := shortage(rules, accepted=sites)):
        raise ConfigError(
            Problem(
                "--set aggregation",
                "every round that may close must have enough sites",
                f"min_clients {sites}: {reason}",
                "raise min_clients, or choose another aggregation or parameter",
            )
        )


def _arguments(server: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    paths = {PLACES[key]} | ({ENCRYPTED_AGGREGATOR} if PLACES[key] == AGGREGATOR else set())
    for component in server.get("components", []):
        if component.get("path") in paths:
            arguments: dict[str, Any] = component.setdefault("args", {})
            return arguments
    return None


def _no_component(key: str) -> Problem:
    return Problem(
        f"--set {key}",
        f"the job's server needs a {PLACES[key]}",
        "it has none",
        "add the component to config_fed_server.json, or leave the key out",
    )
