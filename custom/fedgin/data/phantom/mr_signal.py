"""Signal equations of the MR sequences."""

from __future__ import annotations

import numpy as np

from fedgin.data.phantom.mr_values import BLOOD, Relaxation, Sequence

_ARTERIES = ("blood_left", "blood_right")
_FATTY = {"fat": 1.0, "marrow": 0.55}


def steady_state(tissue: Relaxation, sequence: Sequence) -> float:
    """Signal of resting tissue, in units of the signal of fully magnetised water.

    Balanced SSFP, spoiled gradient echo (Ernst) and spin echo as in Bernstein, King and Zhou,
    Handbook of MRI Pulse Sequences, Elsevier 2004.
    """
    e1, angle = np.exp(-sequence.tr / tissue.t1), np.radians(sequence.flip)
    decay = tissue.density * np.exp(-sequence.te / tissue.t2)
    if sequence.kind == "bssfp":
        e2 = np.exp(-sequence.tr / tissue.t2)
        share = np.sin(angle) * (1 - e1) / (1 - (e1 - e2) * np.cos(angle) - e1 * e2)
    elif sequence.kind == "spoiled":
        share = np.sin(angle) * (1 - e1) / (1 - e1 * np.cos(angle))
    else:
        share = 1 - e1
    return float(decay * share)


def signal(name: str, tissue: Relaxation, sequence: Sequence) -> float:
    """Signal of a tissue with fat suppression and the simple model of flow.

    Blood that flowed in since the last pulse is fully magnetised; blood that leaves the slice
    of a spin echo is void. Marrow is about half fat, so suppression takes half of it.
    """
    out = steady_state(tissue, sequence)
    if name in _FATTY:
        out *= 1 - _FATTY[name] * (1 - sequence.fat_residue)
    if name in BLOOD:
        fresh = tissue.density * np.sin(np.radians(sequence.flip))
        fresh *= np.exp(-sequence.te / tissue.t2)
        out = (1 - sequence.inflow) * out + sequence.inflow * float(fresh)
        out *= sequence.flow_residue if name in _ARTERIES else sequence.slow_residue
    return out
