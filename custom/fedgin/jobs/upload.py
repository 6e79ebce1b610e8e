"""What a job does to the updates on their way: filters in its client's configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import field_validator

from fedgin.config import StrictModel, parse
from fedgin.errors import ConfigError, Problem

HALF_PRECISION = "fedgin.flare.filters.half_precision.HalfPrecisionUpload"
PARTIAL_SHARING = "fedgin.flare.filters.partial_sharing.PartialSharing"
KEEP_OWN_VALUES = "fedgin.flare.filters.partial_sharing.KeepOwnValues"
OPTIONAL_CLASSES = (HALF_PRECISION, KEEP_OWN_VALUES, PARTIAL_SHARING)
"""Classes that an exported job may name beside those of its folder in jobs/."""
TRAIN, VALIDATE = "train", "validate"


class UploadSettings(StrictModel):
    """A job's own filters, which run after those of a site's scope.

    Attributes:
        upload_precision: `float16` halves an update's bytes; the server widens it again.
        keep_local: Regular expression; arrays whose whole name matches are neither sent nor
            overwritten, so that each site trains its own. Empty: none.
    """

    upload_precision: Literal["float32", "float16"] = "float32"
    keep_local: str = ""

    @field_validator("keep_local")
    @classmethod
    def _compiles(cls, expression: str) -> str:
        try:
            re.compile(expression)
        except re.error as error:
            raise ValueError(f"it must be a regular expression: {error}") from None
        return expression


UPLOAD_KEYS = tuple(UploadSettings.model_fields)


def set_upload(client: dict[str, Any], overrides: Mapping[str, Any], *, algorithm: str) -> None:
    """Adds the filters that the settings ask for to a client configuration, in place.

    Args:
        client: Content of config_fed_client.json.
        overrides: Values by the names of `UPLOAD_KEYS`.
        algorithm: The job's algorithm.

    Raises:
        ConfigError: A value breaks the schema, or the job or its algorithm does not go with it.
    """
    settings = parse(UploadSettings, dict(overrides), where="--set")
    results, data = [], []
    if settings.keep_local:
        if algorithm == "scaffold":
            raise ConfigError(
                Problem(
                    "--set keep_local",
                    "it goes with an algorithm whose task is the model alone",
                    "algorithm scaffold, which sends controls of all arrays",
                    "leave one of the two out",
                )
            )
        arguments = {"keep_local": settings.keep_local}
        results.append({"path": PARTIAL_SHARING, "args": arguments})
        data.append({"path": KEEP_OWN_VALUES, "args": arguments})
    if settings.upload_precision == "float16":
        results.append({"path": HALF_PRECISION, "args": {}})
    _add_chain(client, "task_result_filters", tasks=[TRAIN], filters=results)
    _add_chain(client, "task_data_filters", tasks=[TRAIN, VALIDATE], filters=data)


def check_keep_local(expression: str, names: Iterable[str]) -> None:
    """Checks that an expression keeps some of a network's arrays at the sites, and not all.

    Raises:
        ConfigError: It matches no whole name, or every one.
    """
    known = sorted(names)
    matched = [name for name in known if re.fullmatch(expression, name)]
    if 0 < len(matched) < len(known):
        return
    raise ConfigError(
        Problem(
            "--set keep_local",
            "it must match the whole names of some arrays of the network, and not of all",
            f"{expression!r}, which matches {len(matched)} of {len(known)}",
            f"write for example '.*\\.bias'; one of the names is {known[0]}",
        )
    )


def _add_chain(
    client: dict[str, Any], name: str, *, tasks: list[str], filters: list[dict[str, Any]]
) -> None:
    if not filters:
        return
    chains = client.setdefault(name, [])
    # FLARE takes one chain per task.
    if any(set(chain.get("tasks", [])) & set(tasks) for chain in chains):
        raise ConfigError(
            Problem(
                f"--set {' or '.join(UPLOAD_KEYS)}",
                f"the job must have no {name} of its own for {', '.join(tasks)}",
                "it has",
                "leave the setting out, or write the filter into the job's own chain",
            )
        )
    chains.append({"tasks": tasks, "filters": filters})
