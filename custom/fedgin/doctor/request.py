"""From the command's arguments to what is looked at."""

from __future__ import annotations

from pathlib import Path

from fedgin.config import parse, read_mapping
from fedgin.doctor.kit import Kit, read_kit, split_address
from fedgin.doctor.sntp import PORT
from fedgin.doctor.subject import Address, Subject
from fedgin.errors import ConfigError, FedginError, Problem
from fedgin.settings import ResolvedSettings
from fedgin.sites.lookup import Site, check_site_file
from fedgin.sites.schema import SiteConfig


def make_subject(
    file: Path,
    *,
    settings: ResolvedSettings,
    kit: Path | None,
    job: Path | None,
    time_server: str | None,
) -> Subject:
    """Reads the site's file and the kit. A file that breaks rules is a finding, not a refusal.

    Args:
        file: The site's file; its name without suffix is the site's name.
        settings: Settings of the first job.
        kit: The site's client kit.
        job: Folder of the job that the settings are from.
        time_server: host or host:port.

    Raises:
        ConfigError: There is no such file, the folder is no kit, or the address is none; the
            problems of all are listed.
    """
    problems: list[Problem] = []
    found_kit: Kit | None = None
    address: Address | None = None
    try:
        check_site_file(file, where=f"--site-config {file}")
    except FedginError as error:
        problems += error.problems
    try:
        found_kit = None if kit is None else read_kit(kit)
    except FedginError as error:
        problems += error.problems
    try:
        address = None if time_server is None else _address(time_server)
    except FedginError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    site, file_problems = _read_site(file.resolve())
    return Subject(
        name=file.stem,
        file=file.resolve(),
        site=site,
        settings=settings,
        file_problems=file_problems,
        kit=found_kit,
        job=job,
        time_server=address,
    )


def _read_site(file: Path) -> tuple[Site | None, tuple[Problem, ...]]:
    try:
        config = parse(SiteConfig, read_mapping(file), where=str(file))
    except ConfigError as error:
        return None, error.problems
    return Site(name=file.stem, path=file, config=config), ()


def _address(text: str) -> Address:
    parts = split_address(text, default_port=PORT)
    if parts is None:
        raise ConfigError(
            Problem(
                "--time-server",
                "a time server is a host, or host:port",
                f"'{text}'",
                "name one such as pool.ntp.org",
            )
        )
    return Address(*parts)
