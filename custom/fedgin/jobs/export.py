"""Exporting a job in a form that can be sent: with the code, or for sites that installed it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fedgin
from fedgin.config import nearest, parse, read_mapping
from fedgin.errors import ConfigError, Problem
from fedgin.jobs.carried_model import (
    EVALUATION_SETTINGS,
    carry,
    find_model,
    settings_of_model,
)
from fedgin.jobs.encrypted import check_encrypted, is_encrypted
from fedgin.jobs.rules import PLACES, set_rules
from fedgin.jobs.upload import UPLOAD_KEYS, check_keep_local, set_upload
from fedgin.jobs.workflow import set_workflow
from fedgin.overrides import merge, parse_overrides
from fedgin.package import PACKAGE_FILE, package_files, package_hash, package_root
from fedgin.release.model_file import ReleasedModel
from fedgin.settings import SETTINGS_FILE, TrainingSettings

CONFIG = Path("app/config")
CODE = Path("app/custom")
SERVER_FILE = "config_fed_server.json"
CLIENT_FILE = "config_fed_client.json"
RESOURCES_FILE = "resources.json"


def export_job(
    job: Path,
    out: Path,
    *,
    byoc: bool,
    overrides: Sequence[str] = (),
    model: Path | None = None,
) -> Path:
    """Writes a deployable copy of a job.

    Args:
        job: A job folder, as in jobs/.
        out: Folder to make; it must not exist or be empty.
        byoc: True puts a copy of the package into the job, for sites that have only FLARE; False
            leaves app/custom out, for sites that installed the package, and writes resources.json
            with the class allow-list that goes into their kit's local folder.
        overrides: `key=value` texts, for training settings, for the server's top-level values
            such as `num_rounds`, for its rules, see `fedgin.federation_settings`, and for what is
            done to updates on their way, see `fedgin.jobs.upload`.
        model: A released model that the job shall start from, or measure. A job without settings
            of its own, such as jobs/evaluate, takes those of the model.

    Returns:
        The folder written.

    Raises:
        ConfigError: The job or the output folder is unfit, or an override is wrong.
        ReleaseError: The model is missing, damaged or unfit for the job.
    """
    _check_folders(job, out)
    released = find_model(job / CONFIG, model)
    settings, server, client = _overridden(job, overrides, released)
    shutil.copytree(
        job, out, ignore=shutil.ignore_patterns("custom", "__pycache__"), dirs_exist_ok=True
    )
    write_json(out / CONFIG / SETTINGS_FILE, settings)
    write_json(out / CONFIG / SERVER_FILE, server)
    write_json(out / CONFIG / CLIENT_FILE, client)
    _set_min_clients(out, server)
    if released is not None:
        carry(released, out / CONFIG)
    add_code(out, byoc=byoc)
    return out


def _set_min_clients(out: Path, server: dict[str, Any]) -> None:
    """Gives FLARE's scheduler the number that the workflow waits for."""
    if "min_clients" in server:
        meta = read_mapping(out / "meta.json")
        write_json(out / "meta.json", {**meta, "min_clients": server["min_clients"]})


def add_code(out: Path, *, byoc: bool) -> None:
    """Puts the package's hash into a job, and the package or the allow-list that it needs.

    Args:
        out: The job.
        byoc: As for `export_job`.
    """
    for name in (SERVER_FILE, CLIENT_FILE):
        # The form into which `nvflare job submit` rewrites them: the app's hash stays what it is.
        write_json(out / CONFIG / name, read_mapping(out / CONFIG / name))
    root = package_root()
    stamp = {"version": fedgin.__version__, "sha256": package_hash(root)}
    write_json(out / CONFIG / PACKAGE_FILE, stamp)
    if byoc:
        for file in package_files(root):
            target = out / CODE / "fedgin" / file.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    else:
        from fedgin.flare.policy import full_allow_list

        classes = full_allow_list(named_classes(out))
        write_json(out / RESOURCES_FILE, {"format_version": 2, "class_allow_list": classes})


def _check_folders(job: Path, out: Path) -> None:
    if not (job / CONFIG / SERVER_FILE).is_file() or not (job / "meta.json").is_file():
        raise ConfigError(
            Problem(
                str(job),
                f"a job folder holds meta.json and {CONFIG / SERVER_FILE}",
                "it does not",
                "name a folder such as jobs/fed_gin_heart",
            )
        )
    check_out(out)
    if out.resolve().is_relative_to(job.resolve()):
        raise ConfigError(
            Problem(str(out), "the output must not lie in the job", "it does", "name another")
        )


def check_out(out: Path) -> None:
    """Checks that a folder is there to be filled.

    Raises:
        ConfigError: It is a file, or something lies in it.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(
            Problem(str(out), "the output folder must be new or empty", "it is not", "name another")
        )


def _overridden(
    job: Path, assignments: Sequence[str], released: ReleasedModel | None
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    file = job / CONFIG / SETTINGS_FILE
    own = file.is_file()
    settings = read_mapping(file) if own else settings_of_model(released, job=job)
    server = read_mapping(job / CONFIG / SERVER_FILE)
    client = read_mapping(job / CONFIG / CLIENT_FILE)
    tunable = {
        key
        for key, value in server.items()
        if isinstance(value, (int, float)) and key != "format_version"
    }
    training = {*TrainingSettings.model_fields, *PLACES, *UPLOAD_KEYS}
    allowed = (training if own else EVALUATION_SETTINGS) | tunable
    overrides = parse_overrides(assignments)
    problems = [
        Problem(
            "--set",
            "the key must be a setting",
            f"'{key}' ({nearest(key, allowed)})",
            "correct the key",
        )
        for key in overrides
        if key not in allowed
    ]
    problems += [
        Problem(
            f"--set {key}",
            f"the value must be a {type(server[key]).__name__} above 0",
            repr(value),
            "write a positive number",
        )
        for key, value in overrides.items()
        if key in tunable
        and (isinstance(value, bool) or not isinstance(value, type(server[key])) or value <= 0)
    ]
    if problems:
        raise ConfigError(problems)
    rules = {key: overrides.pop(key) for key in PLACES if key in overrides}
    upload = {key: overrides.pop(key) for key in UPLOAD_KEYS if key in overrides}
    settings = merge(settings, {k: v for k, v in overrides.items() if k not in tunable})
    resolved = parse(TrainingSettings, settings, where="training settings").resolve()
    from fedgin.engine.objectives import check_algorithm
    from fedgin.networks import check_patch

    check_patch(resolved.geometry.patch_size, levels=len(resolved.geometry.channels))
    check_algorithm(resolved)
    if is_encrypted(server):
        check_encrypted(
            server,
            client,
            training=resolved.training,
            rules={**rules, **upload},
            places=PLACES,
            starts_from_model=released is not None,
        )
    if released is not None:
        from fedgin.release.fit import check_fit

        check_fit(released, resolved, where=f"model {released.name}")
    server.update({key: value for key, value in overrides.items() if key in tunable})
    set_workflow(server, algorithm=resolved.training.algorithm)
    set_rules(server, rules)
    set_upload(client, upload, algorithm=resolved.training.algorithm)
    if upload.get("keep_local"):
        from fedgin.engine.weights import get_weights
        from fedgin.networks import build_network

        check_keep_local(str(upload["keep_local"]), get_weights(build_network(resolved)))
    return settings, server, client


def named_classes(job: Path) -> list[str]:
    """Lists the classes that a job's configurations name."""
    classes: set[str] = set()
    for file in (SERVER_FILE, CLIENT_FILE):
        _collect_paths(read_mapping(job / CONFIG / file), classes)
    return sorted(classes)


def _collect_paths(node: Any, found: set[str]) -> None:
    if isinstance(node, dict):
        if isinstance(node.get("path"), str):
            found.add(node["path"])
        for value in node.values():
            _collect_paths(value, found)
    elif isinstance(node, list):
        for value in node:
            _collect_paths(value, found)


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Writes one of a job's files."""
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
