"""Names of structures as data sets write them, and as the tasks do."""

from __future__ import annotations

import re

_PAIRED = ("kidney", "adrenal_gland", "lung")
_SAME = {
    "postcava": "inferior_vena_cava",
    "arota": "aorta",  # so spelt in the dataset.json of AMOS22
    "gall_bladder": "gallbladder",
    "oesophagus": "esophagus",
    "bladder": "urinary_bladder",
    "adrenal": "adrenal_gland",
    "right_adrenal": "adrenal_gland_right",
    "left_adrenal": "adrenal_gland_left",
    "whole_heart": "heart",
}


def structure_name(text: str) -> str:
    """Writes a structure's name as the tasks do: `Right Kidney` becomes `kidney_right`.

    Args:
        text: The name as a data set has it.
    """
    name = re.sub(r"[^a-z0-9]+", "_", text.strip().lower()).strip("_")
    name = _SAME.get(name, name)
    side, _, rest = name.partition("_")
    if side in ("left", "right") and rest in _PAIRED:
        return f"{rest}_{side}"
    return name
