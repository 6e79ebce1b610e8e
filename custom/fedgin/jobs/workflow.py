"""The workflow that a job's algorithm needs: a server configuration, changed in place."""

from __future__ import annotations

from typing import Any

PLAIN = "nvflare.app_common.workflows.scatter_and_gather.ScatterAndGather"
WITH_CONTROLS = "fedgin.flare.scaffold_workflow.ResumableScaffold"
AGGREGATOR = "fedgin.flare.aggregator.OrderedWeightedAggregator"


def set_workflow(server: dict[str, Any], *, algorithm: str) -> None:
    """Chooses FLARE's workflow and the aggregator's form by the algorithm.

    SCAFFOLD's workflow also sends a control; it takes the same arguments as the plain one. A
    configuration without either workflow, or with another aggregator, keeps its own.

    Args:
        server: Content of config_fed_server.json; changed.
        algorithm: The setting `algorithm`.
    """
    controls = algorithm == "scaffold"
    for workflow in server.get("workflows", []):
        if workflow.get("path") in (PLAIN, WITH_CONTROLS):
            workflow["path"] = WITH_CONTROLS if controls else PLAIN
    for component in server.get("components", []):
        if component.get("path") == AGGREGATOR:
            arguments = component.setdefault("args", {})
            arguments.pop("controls", None)
            if controls:
                arguments["controls"] = True
