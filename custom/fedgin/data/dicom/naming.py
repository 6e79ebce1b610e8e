"""From the names that segments and contours carry to a site's structures and their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fedgin.data.dicom.listing import quoted
from fedgin.data.volume import Volume
from fedgin.errors import DataError, Problem
from fedgin.structure_words import nearest_structure


@dataclass(frozen=True)
class NamedLabels:
    """A label map and what its values mean.

    Attributes:
        volume: Labels on the grid of the image series, uint8 or uint16.
        names: Name by value, as the file or the site's file has it.
        notes: What a user should know of the file, a sentence each.
    """

    volume: Volume
    names: Mapping[int, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Naming:
    """What a site calls the segments of its files.

    Attributes:
        segments: Names of segments or ROIs by structure; those of one structure are united.
            The structures' values are 1, 2, ... in this order.
        others: Names that may occur and are background.
        may_lack: Structures that a file may lack, because a patient does.
    """

    segments: Mapping[str, tuple[str, ...]]
    others: frozenset[str] = frozenset()
    may_lack: frozenset[str] = frozenset()
    values: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        """Numbers the structures."""
        values = {name: number for number, name in enumerate(self.segments, start=1)}
        object.__setattr__(self, "values", values)

    @property
    def names(self) -> dict[int, str]:
        """Structure by value."""
        return {value: name for name, value in self.values.items()}

    def choose(
        self, found: Mapping[int, str], *, where: str, empty: Sequence[str] = ()
    ) -> dict[int, int]:
        """Chooses the segments of a file that a site uses.

        Args:
            found: Name by number, as the file has them.
            where: The file, for messages.
            empty: Names that the file lists and that mark nothing, for messages.

        Returns:
            Label value by segment number; segments that are not used are left out.

        Raises:
            DataError: A name is unknown, or a structure has none; all are listed.
        """
        owner = {name: key for key, names in self.segments.items() for name in names}
        unknown = sorted({n for n in found.values() if n not in owner and n not in self.others})
        problems = []
        if unknown:
            rule = "every segment's name must stand in 'segments' or 'other_segments'"
            hint = nearest_structure(unknown[0], [*owner, *self.others])
            mend = "list the names under a structure of 'segments' or in 'other_segments'"
            problems.append(Problem(where, rule, f"{quoted(unknown)} ({hint})", mend))
        for key in self.segments:
            if key in self.may_lack or any(owner.get(name) == key for name in found.values()):
                continue
            rule = f"a file must have a segment of the structure '{key}'"
            mend = f"add its name to 'segments.{key}', or '{key}' to 'may_lack' where patients do"
            listed = quoted(sorted(set(found.values()))) or "none"
            nothing = f"; {quoted(sorted(empty))} without a contour" if empty else ""
            problems.append(Problem(where, rule, f"segments {listed}{nothing}", mend))
        if problems:
            raise DataError(problems)
        return {number: self.values[owner[name]] for number, name in found.items() if name in owner}
