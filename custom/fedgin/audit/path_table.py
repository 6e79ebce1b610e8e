"""Audit row: paths that a list, a job or a checkpoint may name, against the confinement."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from fedgin.audit.path_rows import BAD, GOOD
from fedgin.audit.row import AuditRow, Figure
from fedgin.confined import ConfinedFolder
from fedgin.errors import DataError


def run(*, folder: Path, seed: int) -> AuditRow:
    """Looks up every path of the table below a data root with files, links, pipes and sockets.

    Args:
        folder: An empty folder.
        seed: Not used: the table is fixed.
    """
    start = time.perf_counter()
    root = make_root(folder)
    confined = ConfinedFolder(root)
    bad, good = (tuple(row.format(root=root) for row in rows) for rows in (BAD, GOOD))
    defended = (
        Figure("bad paths", len(bad)),
        Figure("bad paths accepted", sum(_accepts(lambda p: _ours(confined, p), p) for p in bad)),
        Figure("good paths", len(good)),
        Figure("good paths refused", sum(not _ours_right(confined, p) for p in good)),
    )
    without = (
        Figure("bad paths that os.path.join accepts", sum(_accepts(_naive(root), p) for p in bad)),
        Figure("of these, lead to a file elsewhere", sum(_leaves(root, p) for p in bad)),
    )
    return AuditRow(
        attack="paths that lead out of the data root, or to no regular file",
        without=without,
        defended=defended,
        bound="bad paths refused, good ones accepted; os.path.join leads to files elsewhere",
        holds=defended[1].value == 0 and defended[3].value == 0 and without[1].value > 0,
        seconds=time.perf_counter() - start,
    )


def make_root(folder: Path) -> Path:
    """Makes the root, itself a link, with all that the table's rows name; returns it."""
    real, outside = folder / "real", folder / "outside"
    for below in (real / "im" / "deep", real / "la", outside):
        below.mkdir(parents=True)
    for file in (real / "a.nii", real / "im" / "a.nii.gz", real / "im" / "deep" / "b.nii"):
        file.write_bytes(b"x")
    for name in ("Müller.nii", "a b.nii", "..a.nii", "a..b.nii", "scan_12:30.nii", "~a.nii"):
        (real / name).write_bytes(b"x")
    (outside / "secret.nii").write_bytes(b"secret")
    (folder / "real-secret.nii").write_bytes(b"secret")
    links: dict[str, str | Path] = {
        "within.nii": "im/a.nii.gz",
        "within-absolute.nii": real / "a.nii",
        "im2": "im",
        "chain.nii": "within.nii",
        "out.nii": "../outside/secret.nii",
        "out-absolute.nii": outside / "secret.nii",
        "out": "../outside",
        "out-chain.nii": "out.nii",
        "up": "..",
        "loop1.nii": "loop2.nii",
        "loop2.nii": "loop1.nii",
        "self": "self",
        "device.nii": "/dev/zero",
        "sibling.nii": "../real-secret.nii",
    }
    for name, target in links.items():
        (real / name).symlink_to(target)
    os.mkfifo(real / "pipe.nii")
    _make_socket(real / "socket.nii")
    root = folder / "root"
    root.symlink_to(real)
    return root


def _make_socket(path: Path) -> None:
    """Binds by a short relative name: a socket's address may have 107 bytes at most."""
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        with closing(socket.socket(socket.AF_UNIX)) as server:
            server.bind(f"/proc/self/fd/{descriptor}/{path.name}")
    finally:
        os.close(descriptor)


def _ours(confined: ConfinedFolder, name: str) -> Path:
    return confined.file(name, where="the table")


def _ours_right(confined: ConfinedFolder, name: str) -> bool:
    """Says whether a good path is accepted and leads to the file that it names."""
    try:
        found = _ours(confined, name)
    except DataError:
        return False
    return os.path.realpath(found) == os.path.realpath(confined.root / name)


def _naive(root: Path) -> Callable[[str], str]:
    return lambda name: os.path.join(root, name)  # noqa: PTH118  # the very thing that is measured


def _accepts(resolve: Callable[[str], object], name: str) -> bool:
    try:
        resolve(name)
    except DataError:
        return False
    return True


def _leaves(root: Path, name: str) -> bool:
    """Says whether a plain join leads to something that is there, outside the root."""
    try:
        real = os.path.realpath(_naive(root)(name))
        outside = not Path(real).is_relative_to(os.path.realpath(root))
        return outside and Path(real).exists()
    except (OSError, ValueError):
        return False
