"""The regimes: on whose patients a model trains, and who averages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Regime:
    """A way to train.

    Attributes:
        name: Its name in tables and on the command line.
        description: One line for the report.
        federated: Whether models are averaged by FLARE; otherwise volumes are pooled.
        starts_from: Regime whose model is trained on, if any.
    """

    name: str
    description: str
    federated: bool = False
    starts_from: str | None = None


REGIMES: Mapping[str, Regime] = MappingProxyType(
    {
        regime.name: regime
        for regime in (
            Regime("local", "each site trains alone"),
            Regime("centralized", "one model on the pooled volumes of all sites"),
            Regime("federated", "FLARE averages the sites' models; volumes stay", federated=True),
            Regime("leave-one-site-out", "one model on the pooled volumes of all sites but one"),
            Regime(
                "leave-one-modality-out", "one model on the pooled volumes of one modality's sites"
            ),
            Regime(
                "fine-tuned",
                "the federated model, trained on for one round at each site alone",
                starts_from="federated",
            ),
        )
    }
)


def training_groups(regime: str, modality_of: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Lists the sets of sites on which a regime trains one model each.

    Args:
        regime: Name of the regime.
        modality_of: Modality by name of each site of the study federation.

    Returns:
        Sorted names, one tuple per model. Leaving out needs something to be left: a regime that
        would train on nothing, or on everything, has no model.
    """
    sites = sorted(modality_of)
    if regime in ("centralized", "federated"):
        return [tuple(sites)]
    if regime in ("local", "fine-tuned"):
        return [(site,) for site in sites]
    if regime == "leave-one-site-out":
        groups = [tuple(other for other in sites if other != site) for site in sites]
    else:
        groups = [
            tuple(site for site in sites if modality_of[site] != left_out)
            for left_out in sorted(set(modality_of.values()))
        ]
    return [group for group in groups if 0 < len(group) < len(sites)]
