"""A study's folder: whose it is, and who may write into it."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fedgin.config import read_mapping
from fedgin.errors import ConfigError, Problem
from fedgin.files import write_atomically
from fedgin.study.definition import StudyDefinition
from fedgin.study.site_files import copy_site_files, site_file

IDENTITY_FILE, LOCK_FILE = "study.json", ".lock"


def identity(definition: StudyDefinition) -> dict[str, Any]:
    """Returns what must stay the same for runs to belong to one study.

    Seeds, regimes and augmentations are left out: a study may grow by them.
    """
    return {
        "task": definition.base.task,
        "rounds": definition.rounds,
        "settings": {**definition.base.model_dump(mode="json"), "seed": None},
        "training_sites": _digests(definition.training_sites),
        "unseen_sites": _digests(definition.unseen_sites),
    }


def check_folder(definition: StudyDefinition) -> None:
    """Checks that the study's folder is new, empty or holds this very study; writes nothing.

    Raises:
        ConfigError: The folder holds something else, or a study that differs; what differs is
            named.
    """
    folder, wanted = definition.folder, identity(definition)
    file = folder / IDENTITY_FILE
    if folder.exists() and not folder.is_dir():
        raise ConfigError(
            Problem(str(folder), "a study needs a folder", "a file", "name another with --out")
        )
    if file.is_file():
        _compare(read_mapping(file), wanted, folder)
    elif folder.is_dir() and any(entry.name != LOCK_FILE for entry in folder.iterdir()):
        raise ConfigError(
            Problem(
                str(folder),
                "a study's folder must be new, empty, or that of the same study",
                "other files",
                "name another with --out",
            )
        )


def open_folder(definition: StudyDefinition) -> None:
    """Makes the study's folder, or checks that it holds this very study.

    Raises:
        ConfigError: See `check_folder`.
    """
    check_folder(definition)
    definition.folder.mkdir(parents=True, exist_ok=True)
    copy_site_files((*definition.training_sites, *definition.unseen_sites), definition.sites_folder)
    content = json.dumps(identity(definition), indent=1)
    write_atomically(definition.folder / IDENTITY_FILE, content.encode())


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps a second process out of a study's folder.

    Raises:
        ConfigError: Another process is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                Problem(
                    str(folder),
                    "one process at a time may run a study",
                    "another is at work in this folder",
                    "wait for it, or name another folder with --out",
                )
            ) from None
        yield


def _digests(sites: Any) -> dict[str, str]:
    return {site.name: hashlib.sha256(site_file(site)).hexdigest() for site in sites}


def _compare(found: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    # Through JSON, as the file's side came.
    differences = _differences(found, json.loads(json.dumps(wanted)))
    if differences:
        raise ConfigError(
            Problem(
                f"{folder / IDENTITY_FILE}: {key}",
                f"the folder holds another study, whose {key} is {old}",
                str(new),
                "name another folder with --out, or ask for the same study",
            )
            for key, old, new in differences
        )


def _differences(old: Any, new: Any, key: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            item
            for name in sorted(old.keys() | new.keys())
            for item in _differences(old.get(name), new.get(name), f"{key}.{name}".strip("."))
        ]
    return [] if old == new else [(key, old, new)]
