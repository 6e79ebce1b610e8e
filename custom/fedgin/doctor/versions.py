"""Versions of Python and of the libraries, and whether the package is the job's."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import fedgin
from fedgin.doctor.finding import Finding, Value, failed, ok, skipped, warning
from fedgin.doctor.subject import Notes, Subject
from fedgin.errors import ConfigError
from fedgin.package import PACKAGE_FILE, check_package, package_hash, package_root

NAME = "fedgin"
_INSTALL = "install what requirements.txt names"


def check_versions(subject: Subject, notes: Notes) -> list[Finding]:
    """Compares what is installed with what the package asks for, and its content with the job's."""
    return [*_requirements(), _package(), _job(subject)]


def _requirements() -> list[Finding]:
    try:
        wanted = metadata.requires(NAME) or []
        python = metadata.metadata(NAME)["Requires-Python"] or ""
    except metadata.PackageNotFoundError:
        return [
            warning(
                "requirements",
                "fedgin is not installed as a package, so what it asks for is unknown",
                _INSTALL,
            )
        ]
    requirements = [
        requirement
        for requirement in map(Requirement, wanted)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    ]
    return [_python(python), *judge_libraries(requirements)]


def judge_libraries(requirements: Sequence[Requirement]) -> list[Finding]:
    """Compares installed libraries with requirements: those that fit in one finding."""
    fitting: dict[str, Value] = {}
    findings: list[Finding] = []
    for requirement in requirements:
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            version = None
        if version is not None and requirement.specifier.contains(version, prereleases=True):
            fitting[requirement.name] = version
            continue
        found = f"{version or 'not installed'}, needed {requirement.specifier or 'any version'}"
        findings.append(failed(requirement.name, found, _INSTALL))
    if fitting:
        listed = ", ".join(f"{name} {version}" for name, version in fitting.items())
        findings.insert(0, ok("libraries", listed, **fitting))
    return findings


def _python(specifier: str) -> Finding:
    version = platform.python_version()
    if not SpecifierSet(specifier).contains(version, prereleases=True):
        return failed("python", f"{version}, needed {specifier}", "install such a Python")
    return ok("python", version, version=version)


def _package() -> Finding:
    sha256 = package_hash(package_root())
    version = fedgin.__version__
    found = f"version {version}, content hash {sha256[:16]}"
    values = {"version": version, "sha256": sha256}
    try:
        installed = metadata.version(NAME)
    except metadata.PackageNotFoundError:
        installed = version
    if installed != version:
        return warning(
            NAME,
            f"{found}, but version {installed} is the installed one",
            "remove the other copy, or install this one",
            **values,
        )
    return ok(NAME, found, **values)


def _job(subject: Subject) -> Finding:
    name = "the job's package"
    if subject.job is None:
        return skipped(name, "no job was named", "name one with --job")
    config = subject.job / "app/config"
    if not (config / PACKAGE_FILE).is_file():
        return skipped(
            name, "the job carries no content hash", "export it with `fedgin job export`"
        )
    try:
        check_package(config)
    except ConfigError as error:
        problem = error.problems[0]
        return failed(name, f"{problem.rule}; here is {problem.found}", problem.mend)
    return ok(name, "the job was exported with this very content")
