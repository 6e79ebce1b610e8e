"""Seeded phantoms: plausible 3D anatomies rendered as CT or MR with published contrasts."""

from fedgin.data.phantom.case import PHANTOM_LABELS, PHANTOM_VERSION, PROTOCOLS, phantom_case

__all__ = ["PHANTOM_LABELS", "PHANTOM_VERSION", "PROTOCOLS", "phantom_case"]
