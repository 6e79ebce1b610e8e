"""The rules that one case can break by itself."""

from __future__ import annotations

from collections.abc import Iterator

from fedgin.check.finding import Finding
from fedgin.check.limits import MAX_TILT_DEGREES, TINY_ML, TINY_VOXELS
from fedgin.check.pieces import check_pieces
from fedgin.check.sides import check_sides
from fedgin.check.subject import CheckedCase
from fedgin.check.volumes import check_volumes


def check_case(case: CheckedCase) -> list[Finding]:
    """Finds what is odd about a case that could be read."""
    return [
        *_orientation(case),
        *_empty(case),
        *_tiny(case),
        *check_sides(case),
        *check_volumes(case),
        *check_pieces(case),
    ]


def _orientation(case: CheckedCase) -> Iterator[Finding]:
    where = (case.name,)
    if case.facts.tilt_degrees > MAX_TILT_DEGREES:
        yield Finding(
            "warning",
            "orientation",
            where,
            f"an axis is turned by {case.facts.tilt_degrees:.0f} degrees against the patient's",
            "resample the case onto the patient's axes, or be aware that its slices are oblique",
        )
    if case.facts.affine_doubt:
        yield Finding(
            "warning",
            "orientation",
            where,
            case.facts.affine_doubt,
            "set both to the one that is true",
        )
    if case.facts.bare_affine:
        yield Finding(
            "warning",
            "orientation",
            where,
            "the header says voxels of 1 mm, no turn and no offset, as after a conversion that "
            "lost it",
            "export the case again from its source; without a header nobody knows left from right",
        )


def _empty(case: CheckedCase) -> Iterator[Finding]:
    if not case.structures:
        yield Finding(
            "warning",
            "empty",
            (case.name,),
            "none of the structures that the site names has a voxel",
            "check that it is the case's own label map; it is used all the same",
        )


def _tiny(case: CheckedCase) -> Iterator[Finding]:
    for name, structure in case.structures.items():
        small = structure.voxels < TINY_VOXELS or structure.ml < TINY_ML
        if small and not structure.at_face:
            yield Finding(
                "warning",
                "tiny",
                (case.name,),
                f"{name} has {structure.voxels} voxels, {structure.ml:.2g} ml",
                "remove the specks, or complete the structure",
            )
