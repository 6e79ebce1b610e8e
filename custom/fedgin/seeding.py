"""Draws that depend on what is drawn, never on what was drawn before.

Every random number of a run comes from (run seed, site, round, step, purpose). So a round that is
repeated after a crash, or computed by another process, draws the same numbers.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def seed_sequence(*parts: int | str) -> np.random.SeedSequence:
    """Makes a seed from numbers and names, independent of Python's hash randomisation."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    digest = hashlib.sha256(text.encode()).digest()
    return np.random.SeedSequence(int.from_bytes(digest[:16], "little"))


def numpy_generator(*parts: int | str) -> np.random.Generator:
    """Makes a NumPy generator from numbers and names."""
    return np.random.default_rng(seed_sequence(*parts))


def torch_generator(*parts: int | str) -> torch.Generator:
    """Makes a torch generator on the CPU from numbers and names."""
    state = seed_sequence(*parts).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
