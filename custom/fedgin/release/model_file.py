"""A released model on disk and on the wire: safetensors weights with their card."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fedgin.errors import Problem
from fedgin.files import MIB, read_bounded, write_atomically
from fedgin.release.card import (
    CARD_FILE,
    MODEL_FILE,
    ModelCard,
    ReleaseError,
    WeightsFacts,
    read_card,
)

SUFFIX = ".safetensors"
MAX_ITEM_BYTES = 8
MAX_HEADER_BYTES = 100 * MIB
"""What the safetensors library accepts."""


@dataclass(frozen=True)
class ReleasedModel:
    """A model that was read and checked.

    Attributes:
        card: Its card.
        weights: Arrays by name.
        content: The weights file's bytes.
    """

    card: ModelCard
    weights: dict[str, np.ndarray]
    content: bytes

    @property
    def name(self) -> str:
        """The model's name: the start of its hash."""
        return self.card.weights.sha256[:16]


def pack_weights(weights: Mapping[str, np.ndarray]) -> bytes:
    """Writes weights as safetensors."""
    # Not np.ascontiguousarray, which gives an array without dimensions one.
    return bytes(save({name: np.array(array, order="C") for name, array in weights.items()}))


def weights_facts(weights: Mapping[str, np.ndarray], content: bytes) -> WeightsFacts:
    """Says of weights, and the file that holds them, what a card says."""
    shapes = {name: tuple(np.shape(weights[name])) for name in sorted(weights)}
    return WeightsFacts(
        sha256=sha256_of(content),
        parameters=sum(int(np.prod(shape)) for shape in shapes.values()),
        arrays=shapes,
    )


def sha256_of(content: bytes) -> str:
    """Computes the hash that names a weights file."""
    return hashlib.sha256(content).hexdigest()


def check_release(content: bytes, card: ModelCard, *, where: str) -> ReleasedModel:
    """Reads weights and compares them with their card.

    Args:
        content: Bytes of the weights file. They are read as safetensors and as nothing else.
        card: The card.
        where: What errors should name.

    Raises:
        ReleaseError: Hash, names or shapes are not the card's, or a value is not finite.
    """
    found = sha256_of(content)
    weights = _unpack(content, where)
    if found != card.weights.sha256:
        raise ReleaseError(
            Problem(
                where,
                f"the weights must be those of the card, hash {card.weights.sha256[:16]}",
                f"hash {found[:16]}",
                "copy model and card from the same release",
            )
        )
    shapes = {name: tuple(array.shape) for name, array in weights.items()}
    if odd := sorted(dict(shapes.items() ^ card.weights.arrays.items())):
        raise ReleaseError(
            Problem(
                where,
                "names and shapes of the arrays must be those of the card",
                f"{len(odd)} that differ: {odd[:3]}",
                "copy model and card from the same release",
            )
        )
    if broken := sorted(name for name, array in weights.items() if not np.isfinite(array).all()):
        raise ReleaseError(
            Problem(where, "values must be finite", f"others in {broken[:3]}", "use another model")
        )
    return ReleasedModel(card=card, weights=weights, content=content)


def _unpack(content: bytes, where: str) -> dict[str, np.ndarray]:
    try:
        arrays: dict[str, np.ndarray] = load(content)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ReleaseError(
            Problem(
                where,
                "weights are a whole safetensors file of numpy's types (no pickle is ever opened)",
                f"{type(error).__name__}: {error}".splitlines()[0][:200],
                "copy the release folder again; a torch file is not a released model",
            )
        ) from None
    return arrays


def write_release(folder: Path, content: bytes, card: ModelCard) -> None:
    """Writes weights and card into a folder that is made where there is none.

    Each file is whole or not there; the card comes last, and names the weights by their hash.

    Raises:
        OSError: The disk is full or the folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(folder / MODEL_FILE, content)
    write_atomically(folder / CARD_FILE, card.to_text().encode())


def read_release(path: Path) -> ReleasedModel:
    """Reads a released model: its folder, or the weights file with the card beside it.

    Raises:
        ConfigError: The card breaks the schema.
        ReleaseError: A file is missing or damaged, or the two do not belong together.
    """
    file = path / MODEL_FILE if path.is_dir() else path
    if not file.is_file() or file.suffix != SUFFIX:
        raise ReleaseError(
            Problem(
                str(path),
                f"a released model is a folder with {MODEL_FILE} and {CARD_FILE}, or such a "
                f"{SUFFIX} file",
                "a file of another kind" if file.is_file() else "no such file",
                "name the release folder that a run left at the server, or a site's copy",
            )
        )
    card = read_card(file.parent / CARD_FILE)
    return check_release(_content(file, card), card, where=str(file))


def _content(file: Path, card: ModelCard) -> bytes:
    """Reads the weights file, which may be no larger than its card lets it be."""
    limit = MAX_ITEM_BYTES * card.weights.parameters + MAX_HEADER_BYTES
    try:
        return read_bounded(file, limit=limit)
    except OSError as error:
        raise ReleaseError(
            Problem(
                str(file),
                f"the weights must be a file of at most {limit} bytes, by its card",
                error.strerror or type(error).__name__,
                "copy the release folder again",
            )
        ) from None
