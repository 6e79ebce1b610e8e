"""A plan and its pin: settings that a federation's data ask for, named by their hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from fedgin.config import StrictModel, nearest, parse, read_mapping
from fedgin.errors import ConfigError, Problem
from fedgin.overrides import merge

PLAN_FILE = "plan.json"
PLANNED = (
    "spatial_dims",
    "spacing",
    "patch_size",
    "channels",
    "batch_size",
    "ct_window",
    "mr_percentile",
)
"""Training settings that a plan speaks of."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Millimetres = Annotated[float, Field(gt=0, le=100)]
Count = Annotated[int, Field(ge=0, le=10**12)]


class Plan(StrictModel):
    """What a federation's counts ask for; see `fedgin.fingerprint.plan_rules` for the rules.

    Attributes:
        format: Version of this schema.
        task: Name of the task.
        spatial_dims: 2 or 3.
        spacing: Target spacing in mm along x, y, z; null keeps a volume's own.
        patch_size: Voxels, (y, x) or (z, y, x).
        channels: Feature channels of the network's levels.
        batch_size: Patches per step.
        ct_window: HU range to which CT is clipped; null leaves the task's.
        mr_percentile: Percentile to which MR is clipped; null leaves the default.
        memory: Class of the smallest device, which patch and batch fit.
        cases: Cases that were counted, by modality.
        volumes_ml: Median volume of each structure in ml, by modality, where anything is known.
        fingerprint: Hash of the counts that the plan follows from.
        notes: Where a rule could not be followed, and what stands instead.
    """

    format: Literal[1] = 1
    task: str
    spatial_dims: Literal[2, 3]
    spacing: tuple[Millimetres | None, Millimetres | None, Millimetres | None]
    patch_size: tuple[Annotated[int, Field(ge=16, le=1024)], ...]
    channels: tuple[Annotated[int, Field(ge=1, le=1024)], ...]
    batch_size: Annotated[int, Field(ge=1, le=1024)]
    ct_window: tuple[float, float] | None
    mr_percentile: float | None
    memory: str
    cases: dict[str, Count]
    volumes_ml: dict[str, dict[str, float]]
    fingerprint: Sha256
    notes: Annotated[tuple[str, ...], Field(max_length=50)] = ()

    def settings(self) -> dict[str, Any]:
        """Returns the training settings that the plan implies, as plain values."""
        values = self.model_dump(mode="json", include=set(PLANNED))
        return {name: values[name] for name in PLANNED if values[name] is not None}

    def sha256(self) -> str:
        """Returns the hash that jobs pin: of the content, whatever the file's layout."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_text(self) -> str:
        """Writes the plan as JSON."""
        return json.dumps(self.model_dump(mode="json"), indent=2, allow_nan=False) + "\n"


class PlanPin(StrictModel):
    """A plan that training settings follow.

    Attributes:
        sha256: The plan's hash.
        changed: Settings in which the job departs from the plan, on purpose.
    """

    sha256: Sha256
    changed: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in self.changed:
            if name not in PLANNED:
                raise ValueError(f"changed lists settings of a plan ({nearest(name, PLANNED)})")
        return self


def read_plan(file: Path) -> Plan:
    """Reads a plan.

    Raises:
        ConfigError: The file is missing or breaks the schema.
    """
    return parse(Plan, read_mapping(file), where=str(file))


def pin_plan(
    settings: Mapping[str, Any], plan: Plan, *, overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """Lays a plan over a job's settings, and overrides over both.

    Args:
        settings: The job's own settings.
        plan: The plan.
        overrides: What someone set on purpose; it wins, and the pin lists where.

    Raises:
        ConfigError: The plan is of another task, or an override leaves nothing of it to follow.
    """
    followed = {**settings, **plan.settings()}
    merged = merge(followed, dict(overrides))
    _check_same(merged, plan)
    changed = [key for key in PLANNED if key in overrides and merged.get(key) != followed.get(key)]
    before = settings.get("plan") or {}
    if isinstance(before, dict) and before.get("sha256") == plan.sha256():
        # Exported again: what was changed then stays so, unless it is set anew.
        kept = [key for key in before.get("changed", ()) if key not in overrides]
        merged.update({key: settings[key] for key in kept if key in settings})
        changed = [key for key in PLANNED if key in changed or key in kept]
    merged["plan"] = {"sha256": plan.sha256(), "changed": changed}
    return merged


def check_pin(pin: PlanPin | None, values: Mapping[str, Any], *, folder: Path) -> None:
    """Checks that settings follow the plan that they pin.

    Args:
        pin: The settings' pin; None is nothing to check.
        values: The settings as plain values, task included.
        folder: Folder in which `PLAN_FILE` lies.

    Raises:
        ConfigError: The plan is missing or another, or settings depart from it unsaid; all of
            them are named.
    """
    if pin is None:
        return
    file = folder / PLAN_FILE
    plan = read_plan(file)
    if (found := plan.sha256()) != pin.sha256:
        raise ConfigError(
            Problem(
                str(file),
                f"the settings pin the plan {pin.sha256[:16]}",
                f"plan {found[:16]}",
                "export the job again with `--plan`",
            )
        )
    _check_same(values, plan)
    problems = [
        Problem(
            f"key '{key}'",
            f"it must be the pinned plan's, {json.dumps(wanted)}, or be listed in plan.changed",
            json.dumps(values.get(key)),
            "export the job again with `--plan`, and set what shall differ by `--set`",
        )
        for key, wanted in plan.settings().items()
        if key not in pin.changed and values.get(key) != wanted
    ]
    if problems:
        raise ConfigError(problems)


def _check_same(values: Mapping[str, Any], plan: Plan) -> None:
    for key in ("task", "spatial_dims"):
        wanted, found = getattr(plan, key), values.get(key)
        if found != wanted:
            raise ConfigError(
                Problem(
                    f"key '{key}'",
                    f"a job that follows a plan has its {key}, {wanted!r}",
                    repr(found),
                    "choose another plan or job, or set the job's task and spatial_dims when "
                    "jobs/fingerprint is exported",
                )
            )
