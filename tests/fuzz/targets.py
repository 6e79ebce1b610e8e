"""What the fuzzing run feeds with bytes: each target may refuse, and may do nothing else."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fedgin.config import parse, read_mapping
from fedgin.confined import ConfinedFolder
from fedgin.data.file_cases import datalist_entries, file_cases
from fedgin.data.nifti import read_nifti
from fedgin.engine.checkpoint import load_checkpoint
from fedgin.errors import FedginError
from fedgin.release.card import card_from_text
from fedgin.release.model_file import _unpack
from fedgin.settings import read_settings
from fedgin.sites.lookup import Site
from fedgin.sites.schema import DatalistData, SiteConfig
from fedgin.sites.server_file import ServerConfig

FOLDER = Path(tempfile.mkdtemp(prefix="fedgin-fuzz-", dir=os.environ.get("FUZZ_DIR")))


def _file(name: str, data: bytes) -> Path:
    path = FOLDER / name
    path.write_bytes(data)
    return path


def nifti(data: bytes) -> None:
    """Plain and compressed volumes, as image and as label map."""
    first = data[0] if data else 0
    path = _file("a.nii.gz" if first & 1 else "a.nii", data[1:])
    volume = read_nifti(path, kind="label" if first & 2 else "image")
    assert volume.array.ndim == 3
    assert np.isfinite(volume.array).all()
    assert np.isfinite(volume.affine).all()


def site(data: bytes) -> None:
    path = _file("hospital.yaml", data)
    parse(SiteConfig, read_mapping(path), where="hospital")


def server(data: bytes) -> None:
    path = _file("server.yaml", data)
    parse(ServerConfig, read_mapping(path), where="server")


def settings(data: bytes) -> None:
    read_settings(_file("training.json", data))


def datalist(data: bytes) -> None:
    """A datalist, all of whose files must lie in its folder."""
    root = FOLDER / "data"
    root.mkdir(exist_ok=True)
    (root / "dataset.json").write_bytes(data)
    dataset = DatalistData(kind="datalist", root=str(root), file="dataset.json")
    owner = Site("a", Path("a.yaml"), SiteConfig(modality="CT", dataset=dataset, labels={"a": 1}))
    folder = ConfinedFolder(root)
    for case in file_cases(folder, list(datalist_entries(folder, dataset, owner))):
        for path in (case.image, case.label):
            assert Path(os.path.realpath(path)).is_relative_to(root.resolve())


def checkpoint(data: bytes) -> None:
    load_checkpoint(_file("a.ckpt", data))


def card(data: bytes) -> None:
    with contextlib.suppress(UnicodeDecodeError):
        card_from_text(data.decode("utf-8"), where="card")


def weights(data: bytes) -> None:
    _unpack(data, "weights")


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (nifti, site, server, settings, datalist, checkpoint, card, weights)
}


def run(name: str, data: bytes) -> bool:
    """Feeds a target; says whether it accepted. Everything but a refusal passes through."""
    try:
        TARGETS[name](data)
    except FedginError:
        return False
    return True


def seeds() -> dict[str, list[bytes]]:
    """Sound inputs to start from."""
    from fuzz_seeds import SEEDS

    return {name: SEEDS[name]() for name in TARGETS}
