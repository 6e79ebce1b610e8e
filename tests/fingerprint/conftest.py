"""Counters of a step's memory, which build each network once a session."""

from __future__ import annotations

import pytest

from fedgin.fingerprint.network_rules import StepMemory


@pytest.fixture(scope="session")
def step() -> StepMemory:
    return StepMemory("abdomen", dims=2)


@pytest.fixture(scope="session")
def step_3d() -> StepMemory:
    return StepMemory("abdomen", dims=3)
