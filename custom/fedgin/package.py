"""The package's identity: a hash over its source files."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import fedgin
from fedgin.config import StrictModel, parse, read_mapping
from fedgin.errors import ConfigError, Problem

logger = logging.getLogger(__name__)

PACKAGE_FILE = "package.json"
PACKAGE_SUFFIXES = (".py", ".j2", ".css")


class PackageStamp(StrictModel):
    """What an exported job says about the code it was exported with.

    Attributes:
        version: Version of the package.
        sha256: Content hash of the package; see `package_hash`.
    """

    version: str
    sha256: str


def package_root() -> Path:
    """Returns the folder of the imported package."""
    return Path(fedgin.__file__).resolve().parent


def package_files(root: Path) -> list[Path]:
    """Lists the files that make up the package: sources, templates and the typing marker."""
    return sorted(
        file
        for file in root.rglob("*")
        if file.is_file() and (file.suffix in PACKAGE_SUFFIXES or file.name == "py.typed")
    )


def package_hash(root: Path) -> str:
    """Computes the SHA-256 over the relative names and contents of the package's files."""
    digest = hashlib.sha256()
    for file in package_files(root):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def check_package(config_folder: Path) -> None:
    """Compares the imported package with the one that a job was exported with.

    A job without a stamp, as in the repository's own jobs/, is accepted and that is logged. The
    comparison catches accidents, such as an older installed copy that wins over the one in the job;
    it is no defence against a dishonest sender.

    Args:
        config_folder: The `config` folder of the job's app.

    Raises:
        ConfigError: The hashes differ; both are named.
    """
    file = config_folder / PACKAGE_FILE
    if not file.is_file():
        logger.info("the job carries no package hash: running the installed fedgin as it is")
        return
    stamp = parse(PackageStamp, read_mapping(file), where=str(file))
    root = package_root()
    found = package_hash(root)
    if found != stamp.sha256:
        raise ConfigError(
            Problem(
                f"package fedgin in {root}",
                f"the job was exported with version {stamp.version}, hash {stamp.sha256[:16]}",
                f"version {fedgin.__version__}, hash {found[:16]}",
                "install the version of the job, or export the job from the installed version",
            )
        )
