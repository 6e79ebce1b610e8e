"""The site's data and labels, checked by the code that training uses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fedgin.data.pair_facts import PairFacts
from fedgin.data.prepare import PreparedSite, prepare_site
from fedgin.data.sources import Case, list_cases
from fedgin.data.split import SPLITS
from fedgin.doctor.finding import Finding, ok, warning
from fedgin.doctor.names import names_of_cases
from fedgin.doctor.plausible import judge_cases
from fedgin.doctor.problems import Teller, places_of
from fedgin.doctor.scrub import make_scrubber
from fedgin.doctor.subject import Notes, Subject
from fedgin.errors import FedginError
from fedgin.sites.lookup import Site
from fedgin.sites.schema import DatalistData


def check_data(subject: Subject, notes: Notes) -> list[Finding]:
    """Prepares all volumes, as a first round would, and tells every problem of every volume.

    Raises:
        ValueError: The site's file could not be read.
    """
    site = subject.site
    if site is None:
        raise ValueError("the site's file is needed")
    try:
        cases = list_cases(site, subject.settings.task)
    except FedginError:
        cases = []  # preparing meets the same problem, and says so
    notes.names |= names_of_cases(site, cases)
    facts: dict[str, PairFacts] = {}
    try:
        notes.prepared = prepare_site(
            site,
            subject.settings,
            partial=site.config.only_tests,
            trains=not site.config.only_tests,
            on_facts=facts.__setitem__,
        )
    except FedginError as error:
        teller = _teller(site, subject, notes, cases)
        findings = [teller.tell(problem) for problem in error.problems]
    else:
        findings = [
            _volumes(notes.prepared),
            *_annotation(notes.prepared, subject),
            *_splits(notes.prepared),
        ]
    hashed = make_scrubber(subject, notes).hash
    return findings + judge_cases(site, subject.settings, cases, facts, hashed=hashed)


def _teller(site: Site, subject: Subject, notes: Notes, cases: Sequence[Case]) -> Teller:
    dataset = site.config.dataset
    datalist = None
    if isinstance(dataset, DatalistData):
        datalist = Path(dataset.root).expanduser() / dataset.file
    return Teller(
        scrubber=make_scrubber(subject, notes),
        places=places_of(site.path, datalist),
        cases=cases,
    )


def _volumes(prepared: PreparedSite) -> Finding:
    sizes = {name: len(prepared.splits[name]) for name in SPLITS}
    dealt = ", ".join(f"{size} {name}" for name, size in sizes.items())
    return ok(
        "volumes",
        f"{prepared.site.config.modality}: {dealt}; {prepared.n_training_slices} training slices; "
        f"{prepared.prepared} prepared now in {prepared.seconds:.1f} s, the others cached",
        modality=prepared.site.config.modality,
        training_slices=prepared.n_training_slices,
        prepared_now=prepared.prepared,
        **{f"{name}_cases": size for name, size in sizes.items()},
    )


def _annotation(prepared: PreparedSite, subject: Subject) -> list[Finding]:
    """Tells what the site leaves unknown, where the job lets it."""
    if not (lacking := list(prepared.not_annotated)):
        return []
    names = subject.settings.task.class_names
    known = ", ".join(name for name in names if name not in lacking)
    effect = {
        "marginal": "which the job takes as unknown here",
        "background": "which the job takes for background here, though they may be there",
    }[subject.settings.training.partial_labels]
    detail = f"{known} annotated; not {', '.join(lacking)}, {effect}"
    return [ok("annotation", detail, not_annotated=", ".join(lacking))]


def _splits(prepared: PreparedSite) -> list[Finding]:
    if prepared.site.config.only_tests:
        purpose = (
            "all patients test: the site measures models, as in jobs/evaluate, and trains none"
        )
        return [ok("split", purpose)]
    purposes = {
        "validation": "this site has no say in which model is best",
        "test": "this site measures no model",
    }
    return [
        warning(f"split {name}", f"no case: {effect}", f"give cases to '{name}' in 'split'")
        for name, effect in purposes.items()
        if not prepared.splits[name]
    ]
