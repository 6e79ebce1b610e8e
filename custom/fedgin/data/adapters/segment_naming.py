"""What structures the segments of an export are: by their names, or as a user says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from fedgin.data.adapters.base import FoundData
from fedgin.data.adapters.structure_names import structure_of
from fedgin.data.dicom.naming import Naming
from fedgin.errors import ConfigError, Problem
from fedgin.structure_words import nearest_structure

GivenNames = Mapping[str, tuple[str, ...]]
"""Names of segments or ROIs by structure."""

NOT_EVERYWHERE = "No structures, because not every label file has them:"


def name_segments(
    files: Sequence[Collection[str]],
    *,
    given: GivenNames | None = None,
    may_lack: Collection[str] = (),
) -> tuple[Naming, list[str]]:
    """Unites the names of all label files; what not all of them have is no structure.

    Args:
        files: Names of the segments of each label file.
        given: What a user says that names mean; the others mean what `structure_of` says.
        may_lack: Structures all the same where not all files have them.

    Returns:
        The naming, and what a reader should know, a sentence each.
    """
    meaning = {name: key for key, names in (given or {}).items() for name in names}
    names: dict[str, set[str]] = {}
    counts: Counter[str] = Counter()
    for file in files:
        found = {name: meaning.get(name) or structure_of(name) for name in file}
        counts.update(set(found.values()))
        for name, structure in found.items():
            names.setdefault(structure, set()).add(name)
    kept = sorted(key for key in names if counts[key] == len(files) or key in may_lack)
    some = sorted(set(names) - set(kept))
    naming = Naming(
        segments={key: tuple(sorted(names[key])) for key in kept},
        others=frozenset(name for key in some for name in names[key]),
        may_lack=frozenset(key for key in kept if counts[key] < len(files)),
    )
    if not some:
        return naming, []
    listed = ", ".join(f"{key} ({counts[key]} of {len(files)})" for key in some)
    return naming, [
        f"{NOT_EVERYWHERE} {listed}. Where patients lack "
        "one, `--may-lack STRUCTURE` (may_lack in the site's file) makes it a structure; where "
        "its name differs, `--label STRUCTURE=NAME` (segments) unites names."
    ]


def renamed(
    found: FoundData, *, given: GivenNames, may_lack: Collection[str], where: str
) -> FoundData:
    """Applies what a user says of the names of segments to a data set.

    Args:
        found: A data set whose label files name segments or ROIs.
        given: Names by structure.
        may_lack: Structures that a file may lack, because a patient does.
        where: What errors should name.

    Raises:
        ConfigError: Nothing is named there; or no file has a name or a structure. All are listed.
    """
    if found.naming is None:
        rule = "names of segments are for label files that have such: SEG and RTSTRUCT"
        there = ", ".join([*given, *may_lack])
        raise ConfigError(Problem(where, rule, there, "leave them out"))
    names = {name for file in found.segment_names for name in file}
    owner: dict[str, str] = {}
    problems = [
        Problem(where, "a name stands for one structure", f"'{name}' for '{key}' too", "choose one")
        for key, meant in given.items()
        for name in meant
        if owner.setdefault(name, key) != key
    ]
    rule, mend = "some label file must have a segment of this name", "write it as the file does"
    problems += [
        Problem(where, rule, f"'{name}' for '{key}' ({nearest_structure(name, names)})", mend)
        for key, meant in given.items()
        for name in meant
        if name not in names
    ]
    naming, notes = name_segments(found.segment_names, given=given, may_lack=may_lack)
    known = {owner.get(name) or structure_of(name) for name in names} | set(given)
    rule, mend = "a structure that may lack must be in some label file", "correct its name"
    problems += [
        Problem(where, rule, f"'{key}' ({nearest_structure(key, known)})", mend)
        for key in may_lack
        if key not in known
    ]
    if problems:
        raise ConfigError(problems)
    _, old = name_segments(found.segment_names)
    kept = [note for note in found.notes if note not in old]
    return replace(found, naming=naming, labels=naming.values, notes=(*kept, *notes))
