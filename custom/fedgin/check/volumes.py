"""Organs whose volume no adult has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fedgin.check.finding import Finding
from fedgin.check.structures import Structure, ml_text, plain_name
from fedgin.check.subject import CheckedCase
from fedgin.data.adult_organs import adult_range
from fedgin.tasks import HEART_PARTS


def check_volumes(case: CheckedCase) -> Iterator[Finding]:
    """Compares a case's organs with adults'."""
    organs = {plain_name(name): organ for name, organ in case.structures.items()}
    for name, organ in {**organs, **_whole_heart(organs)}.items():
        limits = adult_range(name)
        if limits is None:
            continue
        least, most = limits
        if organ.ml > most or (organ.ml < least and not organ.at_face):
            yield Finding(
                "warning",
                "volume",
                (case.name,),
                f"{name} has {ml_text(organ.ml)} ml; adults have {ml_text(least)} to "
                f"{ml_text(most)} ml",
                "check spacing and units of the header, and that the label value means this organ",
            )


def _whole_heart(organs: Mapping[str, Structure]) -> dict[str, Structure]:
    """Adds up a heart of which only the parts are labelled."""
    if "heart" in organs or not set(HEART_PARTS) <= organs.keys():
        return {}
    parts = [organs[name] for name in HEART_PARTS]
    heart = Structure(
        voxels=sum(part.voxels for part in parts),
        ml=sum(part.ml for part in parts),
        x=0.0,
        spread=0.0,
        at_face=any(part.at_face for part in parts),
    )
    return {"heart": heart}
