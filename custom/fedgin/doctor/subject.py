"""What the doctor is asked to look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fedgin.doctor.kit import Kit
from fedgin.errors import Problem
from fedgin.settings import ResolvedSettings
from fedgin.sites.lookup import Site

if TYPE_CHECKING:
    from fedgin.data.prepare import PreparedSite
    from fedgin.engine.step_probe import StepProbe


@dataclass(frozen=True)
class Address:
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Subject:
    """One site before its first job.

    Attributes:
        name: Name of the site.
        file: The site's own file.
        site: What the file says; None where it breaks a rule.
        file_problems: The rules that it breaks.
        settings: Settings of the first job.
        kit: The site's FLARE client kit, where it was named.
        job: Folder of the job, where it was named.
        time_server: Whom to ask for the time, where one was named.
    """

    name: str
    file: Path
    site: Site | None
    settings: ResolvedSettings
    file_problems: tuple[Problem, ...] = ()
    kit: Kit | None = None
    job: Path | None = None
    time_server: Address | None = None


@dataclass
class Notes:
    """What one check leaves for those after it.

    Attributes:
        prepared: The site's prepared volumes, where they could be prepared.
        names: Texts that may name a patient, hashed wherever they appear.
        probe: What a training step cost, once steps were taken.
    """

    prepared: PreparedSite | None = None
    names: set[str] = field(default_factory=set)
    probe: StepProbe | None = None
