"""Draws depend on what is drawn, not on the process or on what was drawn before."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from fedgin.seeding import numpy_generator, seed_sequence, torch_generator

DRAW = (
    "from fedgin.seeding import numpy_generator, torch_generator\n"
    "import torch\n"
    "parts = (3, 'site-1', 2, 'gin')\n"
    "a = numpy_generator(*parts).integers(2**62, size=3).tolist()\n"
    "b = torch.randint(2**62, (3,), generator=torch_generator(*parts)).tolist()\n"
    "import sys; sys.stdout.write(repr((a, b)))\n"
)


def numbers(*parts: int | str) -> list[int]:
    return numpy_generator(*parts).integers(2**62, size=3).tolist()


def torch_numbers(*parts: int | str) -> list[int]:
    return torch.randint(2**62, (3,), generator=torch_generator(*parts)).tolist()


@pytest.mark.parametrize("draw", [numbers, torch_numbers])
def test_the_same_parts_give_the_same_numbers(draw: object) -> None:
    assert callable(draw)
    first = draw(1, "site-1", 4, "gin")
    np.random.random(10)
    torch.rand(10)
    assert draw(1, "site-1", 4, "gin") == first


@pytest.mark.parametrize("draw", [numbers, torch_numbers])
def test_every_part_and_its_place_and_type_counts(draw: object) -> None:
    assert callable(draw)
    parts: list[tuple[int | str, ...]] = [
        (),
        (0,),
        (1,),
        ("1",),
        (1, 2),
        (2, 1),
        (12,),
        ("12",),
        ("1", "2"),
        (1, ""),
        ("site-1", 1),
        ("site-1", 11),
        ("site-11", 1),
        ("site-1", 1, "gin"),
        ("site-1", 1, "geometric"),
    ]
    drawn = {tuple(draw(*part)) for part in parts}
    assert len(drawn) == len(parts)


def test_another_process_draws_the_same() -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", DRAW], capture_output=True, text=True, check=True, env=environment
    )
    parts = (3, "site-1", 2, "gin")
    assert done.stdout == repr((numbers(*parts), torch_numbers(*parts)))


def test_streams_do_not_touch_the_global_generators() -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    expected = torch.rand(3), np.random.random(3)
    torch.manual_seed(0)
    np.random.seed(0)
    numbers(1)
    torch_numbers(1)
    assert torch.equal(torch.rand(3), expected[0])
    assert np.array_equal(np.random.random(3), expected[1])


def test_neighbouring_seeds_are_uncorrelated() -> None:
    draws = np.stack([numpy_generator("a", number).standard_normal(2000) for number in range(20)])
    correlation = np.corrcoef(draws)[~np.eye(20, dtype=bool)]
    assert np.abs(correlation).max() < 5 / np.sqrt(2000)


def test_a_seed_sequence_can_be_spawned() -> None:
    one, two = seed_sequence("a").spawn(2)
    assert one.generate_state(2).tolist() != two.generate_state(2).tolist()
