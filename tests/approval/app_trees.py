"""Small apps, and an independent way to hash them."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

Tree = dict[str, bytes]
"""Contents of files by their paths."""


def write_tree(folder: Path, tree: Tree) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tree.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


def brute_force(tree: Tree, *, folders: tuple[str, ...] = ()) -> str:
    """Hashes a tree from its description, not from the disk: the form that is documented."""
    all_folders = set(folders)
    for name in tree:
        parts = name.split("/")[:-1]
        all_folders |= {"/".join(parts[: depth + 1]) for depth in range(len(parts))}
    records = {name.encode(): b"D" for name in all_folders}
    records |= {name.encode(): b"F" for name in tree}
    text = b"fedgin app hash 1\0"
    for name in sorted(records):
        text += records[name] + struct.pack(">Q", len(name)) + name
        if records[name] == b"F":
            text += hashlib.sha256(tree[name.decode()]).digest()
    return hashlib.sha256(text).hexdigest()
