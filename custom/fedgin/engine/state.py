"""What must survive between a site's rounds, on disk.

A site's process may end after every task. The state after round r lies in its own file, and the two
before it are kept: a server that keeps two checkpoints may go on from either, and a site may be one
round ahead of it.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import torch

from fedgin.engine.tensor_file import read_tree, write_tree
from fedgin.errors import DataError, Problem
from fedgin.files import write_atomically

logger = logging.getLogger(__name__)

_NAME = re.compile(r"state-after-round-(\d+)\.safetensors")
KEPT = 3


def save_state(folder: Path, *, round_number: int, state: dict[str, Any]) -> None:
    """Writes the state after a round, atomically, and removes all but the last three.

    States of later rounds are those of a run that was taken up again before them: they go too.

    Args:
        folder: The site's state folder; it is made where it is missing.
        round_number: The round that was finished.
        state: Tensors and plain values.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(_file(folder, round_number), lambda file: write_tree(file, state))
    for old in saved_rounds(folder):
        if old <= round_number - KEPT or old > round_number:
            _file(folder, old).unlink(missing_ok=True)


def load_state(folder: Path, *, before_round: int, device: torch.device) -> dict[str, Any] | None:
    """Reads the newest state from before a round.

    Raises:
        DataError: The file is damaged.

    Returns:
        The state, or None where there is none: in a first round, or at a site that joined late.
    """
    earlier = [number for number in saved_rounds(folder) if number < before_round]
    if not earlier:
        if before_round > 0:
            logger.warning(
                "round %d starts without optimizer state: none is kept in %s", before_round, folder
            )
        return None
    if max(earlier) != before_round - 1:
        logger.warning(
            "round %d continues from the optimizer state after round %d; rounds were missed",
            before_round,
            max(earlier),
        )
    file = _file(folder, max(earlier))
    try:
        state = read_tree(file, device=device)
        if not isinstance(state, dict):
            raise ValueError(f"a {type(state).__name__}, no mapping")
    except (OSError, ValueError) as error:
        raise DataError(
            Problem(
                str(file),
                "the state between rounds must be whole",
                str(error)[:300],
                "remove the file: the round goes on without it, from the state before it",
            )
        ) from None
    return state


def load_newest_state(
    folder: Path, *, before_round: int | None, device: torch.device
) -> dict[str, Any] | None:
    """Reads the newest state, or the newest from before a round; nothing is said of missed rounds.

    Returns:
        The state, or None where there is none.
    """
    earlier = [r for r in saved_rounds(folder) if before_round is None or r < before_round]
    if not earlier:
        return None
    return load_state(folder, before_round=max(earlier) + 1, device=device)


def saved_rounds(folder: Path) -> list[int]:
    """Lists the rounds after which a state lies on disk."""
    if not folder.is_dir():
        return []
    matches = (_NAME.fullmatch(file.name) for file in folder.iterdir())
    return sorted(int(match.group(1)) for match in matches if match)


def _file(folder: Path, round_number: int) -> Path:
    return folder / f"state-after-round-{round_number}.safetensors"
