"""What cannot be combined with encrypted updates, refused before a job is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fedgin.errors import ConfigError, Problem
from fedgin.settings import TrainingSettings

ENCRYPTED_AGGREGATOR = "fedgin.flare.encryption.aggregator.EncryptedAggregator"
POSSIBLE_RULES = frozenset({"weighting", "max_weight_share", "min_sites"})
"""Rules of the server that need only what a site says of its data, not what it learnt."""
RESULT_FILTERS = (
    "fedgin.flare.encryption.site_filters.PackUpdate",
    "nvflare.app_opt.he.model_encryptor.HEModelEncryptor",
    "fedgin.flare.encryption.site_filters.CiphertextOnly",
)
"""A train result's filters of an encrypted job, all of them, in their order."""
PLAIN_JOB = "use a job without encryption, such as jobs/fed_gin_heart"


def is_encrypted(server: Mapping[str, Any]) -> bool:
    """Tells whether a server configuration averages ciphertexts."""
    return ENCRYPTED_AGGREGATOR in _paths(server)


def check_encrypted(
    server: Mapping[str, Any],
    client: Mapping[str, Any],
    *,
    training: TrainingSettings,
    rules: Mapping[str, Any],
    places: Mapping[str, str],
    starts_from_model: bool,
) -> None:
    """Refuses what an encrypted job cannot do.

    Args:
        server: Content of config_fed_server.json.
        client: Content of config_fed_client.json.
        training: The job's training settings.
        rules: The server's rules that are to be changed, by name.
        places: The component of each rule; see `fedgin.jobs.rules`.
        starts_from_model: Whether the job shall carry a released model.

    Raises:
        ConfigError: Something needs updates that the server can read; all of it is named.
    """
    problems = [
        *_rules(server, rules, places),
        *_training(training),
        *_filters(client),
    ]
    if starts_from_model:
        problems.append(
            Problem(
                "--from",
                "an encrypted job starts from its settings and seed, since the server could read "
                "a model that the job carries",
                "a released model",
                f"leave it out, or {PLAIN_JOB}",
            )
        )
    if problems:
        raise ConfigError(problems)


def _rules(
    server: Mapping[str, Any], rules: Mapping[str, Any], places: Mapping[str, str]
) -> Iterator[Problem]:
    rule = "the server of an encrypted job cannot look into an update"
    for key, value in rules.items():
        if key not in POSSIBLE_RULES:
            mend = f"leave the key out, or {PLAIN_JOB}"
            yield Problem(f"--set {key}", rule, f"{key}={value!r}", mend)
    allowed = {places[key] for key in POSSIBLE_RULES if key in places}
    needed = {places[key]: key for key in places if places[key] not in allowed}
    for path in sorted(needed.keys() & _paths(server)):
        mend = f"take the component out of config_fed_server.json, or {PLAIN_JOB}"
        yield Problem(f"component for '{needed[path]}'", rule, path, mend)


def _training(training: TrainingSettings) -> Iterator[Problem]:
    if training.algorithm == "scaffold":
        yield Problem(
            "algorithm",
            "an encrypted job averages updates and no controls: fedavg, fedprox or fedbn",
            training.algorithm,
            f"set another algorithm, or {PLAIN_JOB}",
        )
    batch = training.normalization == "batch" or training.augmentation == "dual_normalization"
    if batch and training.algorithm != "fedbn":
        key = "normalization" if training.normalization == "batch" else "augmentation"
        yield Problem(
            key,
            "the sites' variances cannot be pooled unseen, as batch normalization needs it",
            getattr(training, key),
            "set normalization=instance_affine, or algorithm=fedbn, which keeps them at the site",
        )


def _filters(client: Mapping[str, Any]) -> Iterator[Problem]:
    found = tuple(
        part.get("path")
        for entry in client.get("task_result_filters", [])
        if "train" in entry.get("tasks", [])
        for part in entry.get("filters", [])
    )
    if found != RESULT_FILTERS:
        names = [str(path).rpartition(".")[2] for path in found]
        yield Problem(
            "task_result_filters of 'train'",
            "an encrypted job has PackUpdate, HEModelEncryptor and CiphertextOnly, in this order "
            "and nothing else, such as a float16 upload: ciphertext has no shorter form",
            str(names),
            "take the others out; filters of a site's own privacy.json run before encryption",
        )


def _paths(node: Any) -> set[str]:
    if isinstance(node, Mapping):
        own = {node["path"]} if isinstance(node.get("path"), str) else set()
        return own.union(*(_paths(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(_paths(value) for value in node))
    return set()
