"""The server's own rules for a round: whose update counts how much, and how many are needed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fedgin.config import StrictModel

Weighting = Literal["slices", "cases", "equal_per_modality"]
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


class FederationSettings(StrictModel):
    """What a job's server decides, and no site.

    Attributes:
        weighting: What an update counts by; see `fedgin.engine.site_weights`.
        max_weight_share: Largest share of one site in the average; 1 is no limit.
        min_sites: Updates that a round needs, by modality.
    """

    weighting: Weighting = "slices"
    max_weight_share: Share = 1.0
    min_sites: MinSites = MinSites()
