"""A plan for the tests."""

from __future__ import annotations

from typing import Any

from fedgin.fingerprint.plan import Plan

VALUES: dict[str, Any] = {
    "task": "abdomen",
    "spatial_dims": 2,
    "spacing": [1.5, 1.5, None],
    "patch_size": [128, 96],
    "channels": [16, 32, 64, 128],
    "batch_size": 6,
    "ct_window": [-150.0, 250.0],
    "mr_percentile": 99.7,
    "memory": "cuda-8",
    "cases": {"CT": 30, "MR": 20},
    "volumes_ml": {"CT": {"liver": 1500.0}, "MR": {}},
    "fingerprint": "ab" * 32,
}


def make_plan(**changes: Any) -> Plan:
    """A plan with some values changed."""
    return Plan.model_validate({**VALUES, **changes})
