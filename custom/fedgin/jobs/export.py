"""Exporting a job in a form that can be sent: with the code, or for sites that installed it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fedgin
from fedgin.config import parse, read_mapping
from fedgin.errors import ConfigError, Problem
from fedgin.fingerprint.plan import Plan
from fedgin.fingerprint.settings import FINGERPRINT_SETTINGS_FILE, FingerprintSettings
from fedgin.jobs.assignments import checked_assignments
from fedgin.jobs.carried_model import (
    EVALUATION_SETTINGS,
    carry,
    find_model,
    settings_of_model,
)
from fedgin.jobs.carried_plan import carry_plan, find_plan, follow, refuse_extras
from fedgin.jobs.encrypted import check_encrypted, is_encrypted
from fedgin.jobs.rules import PLACES, set_rules
from fedgin.jobs.upload import UPLOAD_KEYS, check_keep_local, set_upload
from fedgin.jobs.workflow import set_workflow
from fedgin.outputs import check_output_folder
from fedgin.overrides import merge
from fedgin.package import PACKAGE_FILE, package_files, package_hash, package_root
from fedgin.release.model_file import ReleasedModel
from fedgin.settings import SETTINGS_FILE, TrainingSettings

CONFIG = Path("app/config")
CODE = Path("app/custom")
SERVER_FILE = "config_fed_server.json"
CLIENT_FILE = "config_fed_client.json"
RESOURCES_FILE = "resources.json"
_LISTED = 5


def export_job(
    job: Path,
    out: Path,
    *,
    byoc: bool,
    overrides: Sequence[str] = (),
    model: Path | None = None,
    plan: Path | None = None,
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
        plan: A plan that a training job shall follow and pin by its hash; overrides win over it,
            and each is logged.

    Returns:
        The folder written.

    Raises:
        ConfigError: The job or the output folder is unfit, or an override is wrong.
        ReleaseError: The model is missing, damaged or unfit for the job.
    """
    _check_folders(job, out)
    if (job / CONFIG / FINGERPRINT_SETTINGS_FILE).is_file():
        return _export_fingerprint(job, out, byoc=byoc, overrides=overrides, model=model, plan=plan)
    released = find_model(job / CONFIG, model)
    settings, server, client, followed = _overridden(job, overrides, released, plan)
    _copy(job, out, server=server, client=client)
    write_json(out / CONFIG / SETTINGS_FILE, settings)
    if followed is not None:
        carry_plan(followed, out / CONFIG)
    if released is not None:
        carry(released, out / CONFIG)
    add_code(out, byoc=byoc)
    return out


def _export_fingerprint(
    job: Path,
    out: Path,
    *,
    byoc: bool,
    overrides: Sequence[str],
    model: Path | None,
    plan: Path | None,
) -> Path:
    """Exports a job that has a fingerprint's settings in place of training settings."""
    reason = "a fingerprint job trains and measures nothing"
    refuse_extras(job, reason=reason, extras={"--from": model, "--plan": plan})
    server = read_mapping(job / CONFIG / SERVER_FILE)
    values, numbers = checked_assignments(
        overrides, server, allowed=set(FingerprintSettings.model_fields)
    )
    settings = merge(read_mapping(job / CONFIG / FINGERPRINT_SETTINGS_FILE), values)
    parse(FingerprintSettings, settings, where="fingerprint settings")
    client = read_mapping(job / CONFIG / CLIENT_FILE)
    _copy(job, out, server={**server, **numbers}, client=client)
    write_json(out / CONFIG / FINGERPRINT_SETTINGS_FILE, settings)
    add_code(out, byoc=byoc)
    return out


def _copy(job: Path, out: Path, *, server: dict[str, Any], client: dict[str, Any]) -> None:
    """Copies a job without its code, with both configurations as given."""
    shutil.copytree(
        job, out, ignore=shutil.ignore_patterns("custom", "__pycache__"), dirs_exist_ok=True
    )
    write_json(out / CONFIG / SERVER_FILE, server)
    write_json(out / CONFIG / CLIENT_FILE, client)
    _set_min_clients(out, server)


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
    """Checks that a folder can be filled.

    Raises:
        ConfigError: It is a file, something lies in it, or it cannot be written.
    """
    rule = "the output folder must be new or empty"
    if out.exists() and not out.is_dir():
        raise ConfigError(Problem(str(out), rule, "a file", "name another"))
    if out.exists() and (inside := sorted(path.name for path in out.iterdir())):
        more = ", ..." if len(inside) > _LISTED else ""
        found = ", ".join(inside[:_LISTED]) + more
        raise ConfigError(Problem(str(out), rule, found, "name another"))
    check_output_folder(out, where=f"OUT {out}")


def _overridden(
    job: Path, assignments: Sequence[str], released: ReleasedModel | None, plan: Path | None
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], Plan | None]:
    file = job / CONFIG / SETTINGS_FILE
    own = file.is_file()
    if not own:
        reason = "an evaluation takes its settings from its model"
        refuse_extras(job, reason=reason, extras={"--plan": plan})
    settings = read_mapping(file) if own else settings_of_model(released, job=job)
    server = read_mapping(job / CONFIG / SERVER_FILE)
    client = read_mapping(job / CONFIG / CLIENT_FILE)
    training = {*TrainingSettings.model_fields, *PLACES, *UPLOAD_KEYS} - {"plan"}
    overrides, numbers = checked_assignments(
        assignments, server, allowed=training if own else set(EVALUATION_SETTINGS)
    )
    rules = {key: overrides.pop(key) for key in PLACES if key in overrides}
    upload = {key: overrides.pop(key) for key in UPLOAD_KEYS if key in overrides}
    followed = find_plan(job / CONFIG, plan, settings=settings)
    settings = follow(settings, followed, overrides=overrides)
    resolved = parse(TrainingSettings, settings, where="training settings").resolve()
    from fedgin.engine.objectives import check_algorithm
    from fedgin.networks import check_patch

    geometry = resolved.geometry
    check_patch(geometry.patch_size, levels=len(geometry.channels), spacing=geometry.spacing)
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
    server.update(numbers)
    set_workflow(server, algorithm=resolved.training.algorithm)
    set_rules(server, rules)
    set_upload(client, upload, algorithm=resolved.training.algorithm)
    if upload.get("keep_local"):
        from fedgin.engine.weights import get_weights
        from fedgin.networks import build_network

        check_keep_local(str(upload["keep_local"]), get_weights(build_network(resolved)))
    return settings, server, client, followed


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
