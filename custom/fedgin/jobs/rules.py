"""The server's rules for a round, as arguments of a job's components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedgin.config import parse
from fedgin.errors import ConfigError, Problem
from fedgin.federation_settings import FederationSettings
from fedgin.jobs.encrypted import ENCRYPTED_AGGREGATOR
from fedgin.jobs.workflow import AGGREGATOR
from fedgin.overrides import merge

QUORUM = "fedgin.flare.quorum.ModalityQuorum"
PLACES = {"weighting": AGGREGATOR, "max_weight_share": AGGREGATOR, "min_sites": QUORUM}
"""The component that each of the rules is an argument of."""


def set_rules(server: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Changes rules in a server configuration, in place.

    Args:
        server: Content of config_fed_server.json.
        overrides: Values by the names of `PLACES`; a mapping changes the keys that it has.

    Raises:
        ConfigError: A value breaks the schema, or the job lacks the component.
    """
    arguments = {key: _arguments(server, key) for key in overrides}
    before = {key: found[key] for key, found in arguments.items() if key in found}
    rules = parse(FederationSettings, merge(before, dict(overrides)), where="--set")
    values = rules.model_dump(mode="json")
    for key, found in arguments.items():
        found[key] = values[key]


def _arguments(server: Mapping[str, Any], key: str) -> dict[str, Any]:
    paths = {PLACES[key]} | ({ENCRYPTED_AGGREGATOR} if PLACES[key] == AGGREGATOR else set())
    for component in server.get("components", []):
        if component.get("path") in paths:
            arguments: dict[str, Any] = component.setdefault("args", {})
            return arguments
    raise ConfigError(
        Problem(
            f"--set {key}",
            f"the job's server needs a {PLACES[key]}",
            "it has none",
            "add the component to config_fed_server.json, or leave the key out",
        )
    )
