"""Indexing a data set: from its root to a site's file that can be used as it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from fedgin.config import parse
from fedgin.data.adapter_cases import made_cases
from fedgin.data.adapters.base import Adapter, FoundData, LabelValue, LeftOut
from fedgin.data.adapters.segment_naming import renamed
from fedgin.data.index.choose import (
    choose_modality,
    choose_split,
    choose_structures,
    with_patients,
)
from fedgin.data.index.counts import count_structures
from fedgin.data.index.given import Given, check_named_files, label_values, renamed_masks
from fedgin.data.index.said import check_names, notes_of, reason_of
from fedgin.data.index.site_text import SiteContent, site_text
from fedgin.documents import YAML, parse_yaml
from fedgin.errors import ConfigError, Problem
from fedgin.files import write_atomically
from fedgin.sites.lookup import check_site_name
from fedgin.sites.schema import SiteConfig
from fedgin.tasks import Task

REST = "rest"
"""Stands for all values without a name."""


@dataclass(frozen=True)
class IndexRequest:
    """What to index, and how.

    Attributes:
        adapter: Knows the data set.
        root: Its root.
        tasks: Of masks: those whose structures are listed.
        modality: Which of two modalities; None where there is one.
        patient: Regular expression with one group that finds the patient in a case's name; None
            where the data set says it.
        given: What structures are called, instead of the data set's own names: values of label
            maps, or names of segments, ROIs or masks.
        may_lack: Structures that an SEG or RTSTRUCT file may lack.
        other: Values that are background besides the data set's own; `rest` for all without a name.
        workers: Label files that are read at the same time.
        counted: Whether they are read at all.
    """

    adapter: Adapter
    root: Path
    tasks: Sequence[Task]
    modality: str | None = None
    patient: str | None = None
    given: Given = field(default_factory=dict)
    may_lack: tuple[str, ...] = ()
    other: Sequence[int | str] = ()
    workers: int = 2
    counted: bool = True


def index_data_set(
    request: IndexRequest,
    *,
    on_start: Callable[[int], None] = lambda total: None,
    on_case: Callable[[], None] = lambda: None,
) -> SiteContent:
    """Finds a data set's cases and counts what they hold; nothing is written.

    Cases that cannot be read are left out, unless none can.

    Args:
        request: What to index.
        on_start: Called with the number of label files to read.
        on_case: Called after each of them.

    Raises:
        ConfigError: The modality is open, values have no name, or given names are nowhere.
        DataError: The root is another, or no label file can be read.
    """
    root = request.root.expanduser().absolute()
    found = request.adapter.find(root)
    if request.patient is not None:
        found = with_patients(found, request.patient)
    found, labels, masks = _named(request, found, root)
    modality, chosen = choose_modality(found, root=root, modality=request.modality)
    split = choose_split(found, chosen, root=root)
    counts = None
    excluded: tuple[LeftOut, ...] = ()
    other = {*found.other_labels, *(v for v in request.other if isinstance(v, int))}
    if request.counted:
        on_start(len(chosen))
        cases = made_cases(found, chosen, root=root, structures=masks, own_split=False)
        counts = count_structures(
            cases, labels, other=sorted(other), workers=request.workers, on_case=on_case
        )
        if REST in request.other:
            other |= set(counts.unnamed)
        excluded = tuple(
            LeftOut(case.name, reason_of(counts.unreadable[case.name]))
            for case in chosen
            if case.name in counts.unreadable
        )
        chosen = [case for case in chosen if case.name not in counts.unreadable]
        split = choose_split(found, chosen, root=root)
    check_names(root, found, labels, other=other, counts=counts)
    return SiteContent(
        title=request.adapter.title,
        adapter=request.adapter.name,
        source=request.adapter.source,
        root=root,
        modality=modality,
        form=found.form,
        cases=chosen,
        labels=labels,
        masks=masks,
        segments=request.given if found.form == "dicom" else {},
        may_lack=request.may_lack,
        other_labels=sorted(other),
        split=split,
        counts=counts,
        left_out=found.left_out,
        excluded=excluded,
        notes=(
            *found.notes,
            *notes_of(
                found, chosen, labels, request.tasks, masks=masks, split=split, counts=counts
            ),
        ),
    )


def _named(
    request: IndexRequest, found: FoundData, root: Path
) -> tuple[FoundData, Mapping[str, LabelValue], dict[str, int]]:
    """Returns the data set with given names, its labels, and of masks the value of each."""
    check_named_files(found, request.other, request.given)
    if request.may_lack and found.naming is None:
        rule = "--may-lack is for SEG and RTSTRUCT files"
        listed = ", ".join(request.may_lack)
        raise ConfigError(Problem("--may-lack", rule, listed, "leave it out"))
    if found.form == "masks":
        files = renamed_masks(found, request.given)
        labels, masks = choose_structures(files, request.tasks, root=root)
        return found, labels, masks
    if found.form == "nifti":
        return found, label_values(request.given) or dict(found.labels), {}
    if request.given or request.may_lack:
        found = renamed(
            found,
            given=request.given,
            may_lack=request.may_lack,
            where=f"{root}: --label and --may-lack",
        )
    return found, dict(found.labels), {}


def check_out(out: Path, root: Path, *, force: bool) -> None:
    """Checks where a site's file is to be written, before anything is read.

    Raises:
        ConfigError: The name or the folder is unfit, the data set would be changed, or a file is
            there already.
    """
    check_site_name(out.stem)
    real = out.expanduser().absolute()
    rule, found, mend = "", "", ""
    if out.suffix != ".yaml":
        rule, found = "a site's file must be called <site>.yaml", out.name
        mend = "name it so"
    elif not real.parent.is_dir():
        rule, found, mend = "its folder must exist", "no such folder", "make it"
    elif real.resolve().is_relative_to(root.expanduser().resolve()):
        rule, found = "a data set is never changed", "a place below its root"
        mend = "write the file elsewhere"
    elif real.exists() and not force:
        rule, found = "a file is not overwritten", "one that is there already"
        mend = "choose another name, or add --force"
    if rule:
        raise ConfigError(Problem(f"--out {out}", rule, found, mend))


def write_site_file(out: Path, content: SiteContent) -> None:
    """Writes a site's file, after reading it as a site would.

    Raises:
        ConfigError: The file would break the rules of site files, as by its size.
    """
    text = site_text(content).encode("utf-8")
    try:
        parsed = parse_yaml(text)
    except (ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:300]
        rule = f"a site's file may have {YAML.size} bytes and {YAML.values} values"
        mend = (
            f"write it by hand with dataset: {{kind: adapter, name: {content.adapter}, root: ...}}"
        )
        raise ConfigError(Problem(str(out), rule, reason, mend)) from None
    parse(SiteConfig, parsed, where=str(out))
    write_atomically(out.expanduser(), text)
