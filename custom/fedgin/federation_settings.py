"""The server's own rules for a round: whose update counts how much, and how many are needed."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from fedgin.config import StrictModel, nearest
from fedgin.errors import ConfigError, Problem

Weighting = Literal["slices", "cases", "equal_per_modality", "equal"]
Aggregation = Literal["mean", "median", "trimmed_mean", "norm_clipping", "multi_krum"]
PARAMETERS = {"trim": "trimmed_mean", "clip_norm": "norm_clipping", "byzantine": "multi_krum"}
"""The aggregation that each parameter belongs to."""
DEFAULT_TRIM, DEFAULT_BYZANTINE = 0.2, 1
Count = Annotated[int, Field(ge=0, strict=True)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False, strict=True)]


class MinSites(StrictModel):
    """Sites of each modality whose updates a round needs.

    Attributes:
        ct: Sites with CT.
        mr: Sites with MR.
    """

    ct: Count = 1
    mr: Count = 1

    def of(self, modality: str) -> int:
        """Returns the number for "CT" or "MR"."""
        return self.ct if modality == "CT" else self.mr


class UpdateGate(StrictModel):
    """Refusing updates that are far larger than others; see `fedgin.engine.norm_gate`.

    Attributes:
        enabled: Whether updates are refused for their norm.
        factor: Multiple of the running median up to which a norm is accepted, above 1.
        rounds: Past rounds whose norms the median is taken over.
    """

    enabled: Annotated[bool, Field(strict=True)] = True
    factor: Annotated[float, Field(gt=1, allow_inf_nan=False, strict=True)] = 5.0
    rounds: Annotated[int, Field(ge=1, strict=True)] = 3


class FederationSettings(StrictModel):
    """What a job's server decides, and no site.

    Attributes:
        weighting: What an update counts by; see `fedgin.engine.site_weights`.
        max_weight_share: Largest share of one site in the average; 1 is no limit.
        min_sites: Updates that a round needs, by modality.
        update_gate: Which updates are refused for their norm.
        aggregation: How updates become one; see `fedgin.engine.aggregation`.
        trim: Share of the sites that a trimmed mean leaves out at either end; 0.2 if None.
        clip_norm: Largest norm under norm clipping; the median of the round's norms if None.
        byzantine: Sites that may send anything under multi-Krum; 1 if None.
    """

    weighting: Weighting = "slices"
    max_weight_share: Share = 1.0
    min_sites: MinSites = MinSites()
    update_gate: UpdateGate = UpdateGate()
    aggregation: Aggregation = "mean"
    trim: Annotated[float, Field(gt=0, lt=0.5, allow_inf_nan=False, strict=True)] | None = None
    clip_norm: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)] | None = None
    byzantine: Annotated[int, Field(ge=1, strict=True)] | None = None

    @field_validator("weighting", "aggregation", mode="before")
    @classmethod
    def _name_the_nearest(cls, value: Any, info: Any) -> Any:
        allowed = get_args({"weighting": Weighting, "aggregation": Aggregation}[info.field_name])
        if isinstance(value, str) and value not in allowed:
            raise ValueError(f"only known values are allowed ({nearest(value, allowed)})")
        return value

    @model_validator(mode="after")
    def _check_parameters(self) -> Self:
        for name, aggregation in PARAMETERS.items():
            if getattr(self, name) is not None and self.aggregation != aggregation:
                raise ValueError(
                    f"{name} belongs to aggregation {aggregation}, and aggregation is "
                    f"{self.aggregation}: set {name} to null, or the aggregation"
                )
        return self


def check_controls(rules: FederationSettings, *, where: str) -> None:
    """Checks that SCAFFOLD's updates are averaged.

    Its controls are right only where the global control is the mean of the sites', and no robust
    method keeps that.

    Raises:
        ConfigError: The aggregation is another.
    """
    if rules.aggregation != "mean":
        raise ConfigError(
            Problem(
                f"{where}: key 'aggregation'",
                "algorithm scaffold needs aggregation mean",
                rules.aggregation,
                "set aggregation to mean, or algorithm to fedavg",
            )
        )
