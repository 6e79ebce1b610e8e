"""A site's file as text: what a reader should know stands beside the keys."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from fedgin.data.adapters.base import FoundCase, LabelValue, LeftOut
from fedgin.data.adapters.left_out import MOST_NAMED, left_out_lines
from fedgin.data.index.counts import Counts
from fedgin.sites.splits import FractionSplit, PatientSplit

_WIDTH = 100


@dataclass(frozen=True)
class SiteContent:
    """What goes into a site's file.

    Attributes:
        title: The data set's full name.
        adapter: The adapter's name.
        source: Where layout and label values are documented.
        root: Its root, a whole path.
        modality: "CT" or "MR".
        form: How image and label of every case are stored; see `FoundData`. Cases in DICOM are
            not listed but found at every start.
        cases: The cases.
        labels: Label values by structure; of masks, in the order of the values.
        masks: Of masks: the value of each.
        segments: Of SEG and RTSTRUCT: names by structure, where the user gave them.
        may_lack: Structures that such a file may lack.
        other_labels: Values that are background.
        split: Who trains, validates and tests.
        counts: What the label files hold; None where they were not read.
        left_out: What is no case, and why.
        excluded: Cases that could not be read, and why.
        notes: What else a reader should know, a sentence each.
    """

    title: str
    adapter: str
    source: str
    root: Path
    modality: str
    form: Literal["nifti", "masks", "dicom"]
    cases: Sequence[FoundCase]
    labels: Mapping[str, LabelValue]
    masks: Mapping[str, int]
    segments: Mapping[str, Sequence[str]]
    may_lack: Sequence[str]
    other_labels: Sequence[int]
    split: PatientSplit | FractionSplit
    counts: Counts | None
    left_out: Sequence[LeftOut]
    excluded: Sequence[LeftOut]
    notes: Sequence[str]


def site_text(content: SiteContent) -> str:
    """Writes a site's file that can be used as it stands."""
    lines = [*_head(content), f"modality: {content.modality}", *_dataset(content)]
    if content.form == "nifti":
        lines += [
            "# Every value that may occur has a name; a task picks the ones it needs.",
            "labels:",
        ]
        lines += [f"  {_scalar(name)}: {_values(v)}" for name, v in content.labels.items()]
        if content.other_labels:
            lines += [f"other_labels: {_values(tuple(content.other_labels))}  # background"]
    if content.form == "masks" and dict(content.labels) != dict(content.masks):
        lines += ["# What the masks are, by their values: 1 is the first.", "labels:"]
        lines += [f"  {_scalar(name)}: {_values(v)}" for name, v in content.labels.items()]
    lines += [*_split(content.split), *_rest()]
    return "\n".join(lines) + "\n"


def said_number(content: SiteContent) -> str:
    """Says how many cases there are, and of how many patients."""
    cases, patients = len(content.cases), len({case.patient for case in content.cases})
    return (
        f"{cases} {content.modality} case{'s' * (cases != 1)} of {patients} "
        f"patient{'s' * (patients != 1)}"
    )


def _head(content: SiteContent) -> Iterator[str]:
    yield from _comment(content.title)
    yield f"# {said_number(content)}; written by `fedgin data index {content.adapter}`"
    yield from _comment(f"Layout and label values: {content.source}")
    for note in content.notes:
        yield from _comment(note)
    if content.counts is not None:
        yield from _counted(content.counts, len(content.cases))
    if content.excluded:
        yield "#"
        yield f"# Could not be read, and left out ({len(content.excluded)}):"
        for line in left_out_lines(content.excluded):
            yield from _comment(f"  {line}")
    if content.left_out:
        yield "#"
        yield f"# Left out ({len(content.left_out)}):"
        for line in left_out_lines(content.left_out):
            yield from _comment(f"  {line}")


def _counted(counts: Counts, total: int) -> Iterator[str]:
    width = max([len("structure"), *(len(one.name) for one in counts.structures)])
    yield "#"
    yield f"# {'structure':<{width}}  cases of {total}   ml in all  ml on average"
    for one in counts.structures:
        yield (
            f"# {one.name:<{width}}  {one.cases:>{len(f'cases of {total}')}}"
            f"  {one.millilitres:>10.1f}  {one.mean:>13.1f}"
        )
    if counts.empty:
        shown = ", ".join(counts.empty[:MOST_NAMED])
        more = "" if len(counts.empty) <= MOST_NAMED else " and more"
        yield from _comment(f"{len(counts.empty)} cases hold none of them: {shown}{more}")


def _dataset(content: SiteContent) -> Iterator[str]:
    root = f"  root: {_scalar(str(content.root))}  # or ${{NAME}}, an environment variable"
    if content.form == "dicom":
        yield from ("dataset:", "  kind: adapter", f"  name: {content.adapter}", root)
        yield from _named_segments(content)
        return
    kind, second = ("masks", "masks") if content.form == "masks" else ("pairs", "label")
    yield from ("dataset:", f"  kind: {kind}", root)
    if content.form == "masks":
        yield "  # Read from <masks>/<structure>.nii.gz; everything else is background."
        yield f"  structures: {_list(tuple(content.masks))}"
    yield "  cases:"
    for case in content.cases:
        yield (
            f"    - {{image: {_scalar(case.image)}, {second}: {_scalar(case.label)}, "
            f"patient: {_scalar(case.patient)}}}"
        )


def _named_segments(content: SiteContent) -> Iterator[str]:
    if content.segments:
        yield "  segments:  # names in the label files by structure; the others are known"
        yield from (f"    {_scalar(name)}: {_list(m)}" for name, m in content.segments.items())
    if content.may_lack:
        yield f"  may_lack: {_list(content.may_lack)}  # a file may be without, as a patient is"
    if content.excluded:
        yield "  exclude:  # could not be read, see above; take out what has been mended"
        yield from (f"    - {_scalar(one.path)}" for one in content.excluded)


def _split(split: PatientSplit | FractionSplit) -> Iterator[str]:
    if isinstance(split, FractionSplit):
        yield "# The data set has no split of its own."
        yield (
            f"split: {{by: fraction, validation: {split.validation}, test: {split.test}, "
            f"seed: {split.seed}}}"
        )
        return
    yield "# The data set's own split, by patient."
    yield "split:"
    yield "  by: patient"
    for name in ("train", "validation", "test"):
        patients: tuple[str, ...] = getattr(split, name)
        yield f"  {name}:{'' if patients else ' []'}"
        yield from (f"    - {_scalar(patient)}" for patient in patients)


def _rest() -> Iterator[str]:
    yield "device: auto  # cuda where there is one"
    yield "threads: 2"
    yield "# true sends validation pictures, which show patients, to the server"
    yield "share_images: false"


def _comment(text: str) -> list[str]:
    indent = "#   " if text.startswith("  ") else "# "
    return textwrap.wrap(
        text.strip(),
        width=_WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + ("  " if indent == "#   " else ""),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _scalar(text: str) -> str:
    """Writes a text as YAML, quoted where it must be, also within `{}` and `[]`."""
    dumped: str = yaml.safe_dump([text], default_flow_style=True, allow_unicode=True, width=10**9)
    return dumped.strip()[1:-1]


def _list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(_scalar(text) for text in texts) + "]"


def _values(entry: LabelValue) -> str:
    return str(entry) if isinstance(entry, int) else "[" + ", ".join(map(str, entry)) + "]"
