"""A federated run's checkpoint: all that a server needs to go on after its last finished round."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from fedgin.documents import RECORD, parse_json
from fedgin.engine.tensor_file import read_tree, write_tree
from fedgin.engine.weights import Weights
from fedgin.errors import FedginError, Problem
from fedgin.files import write_atomically

FORMAT = 3
SUFFIX = ".ckpt"
CHECKPOINT_FILE = f"checkpoint{SUFFIX}"
"""Name of the checkpoint that a job carries in its config folder."""
LINEAGE = re.compile(r"[0-9a-f]{32}")


class CheckpointError(FedginError):
    """A checkpoint is damaged, or belongs to another job."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of a federated run between two rounds.

    Attributes:
        lineage: Name of the run, 32 hexadecimal digits; the same in every job that goes on with it.
        finished_rounds: Rounds that ended with an aggregation; the number of the next round.
        total_rounds: Rounds of the whole run.
        job: Contents of the job's files by path, from which a job that goes on is made.
        weights: The global model.
        best_weights: The best global model so far, where one was chosen.
        control: SCAFFOLD's global control, where there is one.
        record: The run's record so far, as plain values.
    """

    lineage: str
    finished_rounds: int
    total_rounds: int
    job: Mapping[str, str]
    weights: Weights
    best_weights: Weights | None = None
    control: Weights | None = None
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def job_hash(self) -> str:
        """Names the job by what it says; see `job_hash`."""
        return job_hash(self.job)


def job_hash(files: Mapping[str, str]) -> str:
    """Computes the SHA-256 over the names and contents of a job's files."""
    return hashlib.sha256(json.dumps(dict(files), sort_keys=True).encode()).hexdigest()


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Writes a checkpoint, whole or not at all.

    Raises:
        OSError: The disk is full or the folder cannot be written; an older file stays.
    """
    content = {
        "format": FORMAT,
        "lineage": checkpoint.lineage,
        "finished_rounds": checkpoint.finished_rounds,
        "total_rounds": checkpoint.total_rounds,
        "job": dict(checkpoint.job),
        "weights": _tensors(checkpoint.weights),
        "best_weights": _tensors(checkpoint.best_weights),
        "control": _tensors(checkpoint.control),
        "record": json.dumps(checkpoint.record),
    }
    content["sha256"] = _digest(content)
    write_atomically(path, lambda file: write_tree(file, content))


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint, from which nothing but tensors and plain values can come.

    Raises:
        CheckpointError: The file is missing, damaged or no checkpoint.
    """
    try:
        content = read_tree(path)
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']!r}")
        # A flipped bit in a tensor would be read over without a word.
        if content["sha256"] != _digest(content):
            raise ValueError("its content is not what was written: the hashes differ")
        checkpoint = Checkpoint(
            lineage=content["lineage"],
            finished_rounds=int(content["finished_rounds"]),
            total_rounds=int(content["total_rounds"]),
            job=dict(content["job"]),
            weights=_arrays(content["weights"]) or {},
            best_weights=_arrays(content["best_weights"]),
            control=_arrays(content["control"]),
            record=_mapping(parse_json(content["record"], bounds=RECORD)),
        )
        if not LINEAGE.fullmatch(checkpoint.lineage):
            raise ValueError(f"lineage {checkpoint.lineage!r}")
        if not 0 <= checkpoint.finished_rounds <= checkpoint.total_rounds:
            raise ValueError(
                f"{checkpoint.finished_rounds} of {checkpoint.total_rounds} rounds finished"
            )
        if not all(isinstance(text, str) for pair in checkpoint.job.items() for text in pair):
            raise ValueError("a job whose files are no texts")
    except Exception as error:  # content of a wrong type fails anywhere
        raise CheckpointError(
            Problem(
                str(path),
                f"a checkpoint is a whole file of format {FORMAT} that a server wrote",
                f"{type(error).__name__}: {error}".splitlines()[0][:300],
                "name another checkpoint of the run: a server keeps the last ones side by side",
            )
        ) from None
    return checkpoint


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"a record that is a {type(value).__name__}")
    return value


def _digest(content: Mapping[str, Any]) -> str:
    """Computes the SHA-256 over all that a checkpoint holds, but the hash itself."""
    digest = hashlib.sha256()
    for key in sorted(content.keys() - {"sha256"}):
        value = content[key]
        tensors = value if key in ("weights", "best_weights", "control") else None
        if tensors is None:
            digest.update(f"{key}\0{json.dumps(value, sort_keys=True)}\0".encode())
            continue
        for name in sorted(tensors):
            array = tensors[name].contiguous().numpy()
            digest.update(f"{key}\0{name}\0{array.dtype}\0{array.shape}\0".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()


def _tensors(weights: Mapping[str, Any] | None) -> dict[str, torch.Tensor] | None:
    if weights is None:
        return None
    return {name: torch.as_tensor(array).detach().cpu() for name, array in weights.items()}


def _arrays(tensors: Mapping[str, torch.Tensor] | None) -> Weights | None:
    if tensors is None:
        return None
    return {name: tensor.numpy() for name, tensor in tensors.items()}
