"""Keeping patients out of what the doctor says: a name becomes a short hash."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from fedgin.doctor.subject import Notes, Subject
from fedgin.errors import FedginError
from fedgin.sites.data_sets import AdapterData, CaseMasks, MaskData
from fedgin.sites.dicom_data import CaseSeries, DicomData
from fedgin.sites.folders import SecretSettings
from fedgin.sites.lookup import Site
from fedgin.sites.pseudonyms import kept_secret, patient_hash, site_secret
from fedgin.sites.schema import CaseFiles, DatalistData, GlobbedData, ListedData, PhantomData
from fedgin.sites.splits import FractionSplit, OwnSplit, PatientSplit, SlabSplit
from fedgin.tasks import Task

_ORDINARY_TEXT = """
image images imagestr imagesva imagests label labels labelstr labelsva labelsts img
mask masks seg segmentation segmentations volume volumes
ct mr mri case cases patient patients train validation test training data
"""
ORDINARY = frozenset(_ORDINARY_TEXT.split())
"""File and folder names that name no patient, and stand in the texts of rules."""
_DATA_MODELS = (
    *(CaseFiles, CaseMasks, CaseSeries, PhantomData, ListedData),
    *(GlobbedData, DatalistData, MaskData, DicomData, AdapterData),
)
_SPLIT_MODELS = (FractionSplit, PatientSplit, SlabSplit, OwnSplit)
_DATA_KEYS = frozenset(key for model in _DATA_MODELS + _SPLIT_MODELS for key in model.model_fields)
_QUOTED = re.compile(r"'[^']*(?:'|$)|\"[^\"]*(?:\"|$)")
_PATH = re.compile(r"(?:[^\s,;:()]*[/\\][^\s,;()]*|[^\s,;()]+\.nii(?:\.gz)?\b)")
_NUMERAL = re.compile(r"\d{1,3}")
_NOT_IN_A_WORD = (r"(?<![^\W_])", r"(?![^\W_])")


class Scrubber:
    """Replaces names by hashes; see `fedgin.sites.pseudonyms`.

    A site finds its patients again by the same hashes in its own score files.
    """

    def __init__(
        self,
        site: str,
        names: Iterable[str],
        *,
        allowed: Iterable[str] = (),
        secret: bytes = b"",
    ) -> None:
        """Takes note of what must not be shown.

        Args:
            site: Name of the site, which the hashes depend on.
            names: Texts that may name a patient.
            allowed: Texts that may stand in quotes: they are no names, such as those of structures.
            secret: The site's secret, which the hashes depend on.
        """
        self._site, self._secret = site, secret
        self._allowed = frozenset(allowed)
        wanted: dict[str, str] = {}
        for name in names:
            if name.strip() and name.lower() not in ORDINARY:
                # As they are, and as Python shows them in quotes.
                wanted.update({name: name, repr(name)[1:-1]: name})
        self._names = {shown.casefold(): name for shown, name in wanted.items()}
        self._pattern = _any_of(wanted)
        self._without_numerals = _any_of(name for name in wanted if not _NUMERAL.fullmatch(name))

    def hash(self, name: str) -> str:
        """Returns the hash that stands for a name."""
        return f"#{patient_hash(self._site, name, secret=self._secret)}"

    def known(self, text: str, *, numerals: bool = True) -> str:
        """Replaces the known names in a text.

        Args:
            text: The text.
            numerals: Whether numbers of one to three digits are taken for names where there are
                patients called so. In a text that cannot name a patient they are what they seem.
        """
        pattern = self._pattern if numerals else self._without_numerals
        if pattern is None:
            return text
        return pattern.sub(
            lambda match: self.hash(self._names.get(match.group().casefold(), match.group())), text
        )

    def strict(self, text: str, *, numerals: bool = True) -> str:
        """Replaces known names, and whatever else is quoted or looks like a path.

        Args:
            text: A text that may quote a file's content.
            numerals: As for `known`.
        """
        if text.startswith(("{", "[")):
            return "a value of another form"

        def quoted(match: re.Match[str]) -> str:
            inside = match.group().strip("'\"")
            return match.group() if not inside or inside in self._allowed else self.hash(inside)

        text = _QUOTED.sub(quoted, self.known(text, numerals=numerals))
        return _PATH.sub(lambda match: self.hash(match.group()), text)


def _any_of(names: Iterable[str]) -> re.Pattern[str] | None:
    """Compiles a pattern of names that stand alone, the longest first."""
    words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    before, after = _NOT_IN_A_WORD
    return re.compile(f"{before}(?:{words}){after}", re.IGNORECASE) if words else None


def make_scrubber(subject: Subject, notes: Notes) -> Scrubber:
    """Makes what keeps the names that are known by now out of the findings."""
    return Scrubber(
        subject.name,
        notes.names,
        allowed=allowed_words(subject.site, subject.settings.task),
        secret=_secret(subject),
    )


def allowed_words(site: Site | None, task: Task) -> list[str]:
    """Lists the texts that may stand in quotes, since they name structures and keys."""
    labels = site.config.labels if site else None
    return [*(labels or {}), *task.class_names, task.name, *_DATA_KEYS]


def _secret(subject: Subject) -> bytes:
    """Returns the site's secret; of one that cannot be had, another that nobody can guess."""
    try:
        if subject.site is None:
            return kept_secret(subject.name, SecretSettings())
        return site_secret(subject.site)
    except FedginError:
        return secrets.token_bytes()
