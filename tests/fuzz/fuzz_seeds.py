"""Sound inputs of every target, from which the fuzzing run starts."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from fedgin.engine.checkpoint import Checkpoint, save_checkpoint
from fedgin.engine.tensor_file import write_tree
from fedgin.release.model_file import pack_weights


def nifti() -> list[bytes]:
    found = []
    for klass, dtype, order in (
        (nib.Nifti1Header, np.int16, "<"),
        (nib.Nifti2Header, np.float32, ">"),
        (nib.Nifti1Header, np.uint8, ">"),
    ):
        header = klass(endianness=order)
        header.set_data_dtype(dtype)
        header["dim"] = [3, 4, 3, 2, 1, 1, 1, 1]
        header.set_sform(np.diag([1.5, 1.5, 3.0, 1.0]), code=1)
        header["vox_offset"] = header["sizeof_hdr"] + 4
        header["scl_slope"] = 1
        plain = bytes(header.binaryblock) + bytes(4)
        plain += np.arange(24).astype(np.dtype(dtype).newbyteorder(order)).tobytes()
        for first in (0, 2):
            found.append(bytes([first]) + plain)
            found.append(bytes([first + 1]) + gzip.compress(plain, mtime=0))
        found.append(b"\x01" + gzip.compress(plain[:200], mtime=0) + gzip.compress(plain[200:]))
        header["sform_code"], header["qform_code"] = 0, 1
        header["pixdim"][:4] = [1, 1, 2, 3]
        found.append(b"\x00" + bytes(header.binaryblock) + plain[len(bytes(header.binaryblock)) :])
    return found


def site() -> list[bytes]:
    return [
        b"modality: MR\ndataset: {kind: phantom, protocol: t1, seed: 1, cases: 2}\n",
        b"modality: CT\ndataset:\n  kind: pairs\n  root: /data\n  cases:\n"
        b"    - {image: a/ct.nii.gz, label: a/o.nii.gz, patient: anna}\n"
        b"labels: {liver: 5, kidney: [1, 2]}\nother_labels: [6, 8]\n"
        b"split: {by: patient, train: [anna], validation: [], test: []}\n",
        b"modality: MR\ndataset:\n  kind: glob\n  root: ${HOME}\n  images: im/*.nii.gz\n"
        b"  labels: la/*.nii.gz\n  patient: (.+)_visit\\d+\nlabels: {a: 1}\n"
        b"split: {by: fraction, validation: 0.15, test: 0.25, seed: 0}\ncache: {quota_gb: 50}\n"
        b"device: cuda:1\nrelease_gpu: true\nthreads: 4\nstate: {folder: /s, days: 3}\n",
        b"a: &x [1, 2]\nb: *x\nc: !!int '3'\nd: |\n  text\ne: 2020-01-01\nf: 1:30\ng: .inf\n",
    ]


def server() -> list[bytes]:
    return [b"checkpoints: ${HOME}/c\nkeep: 3\n"]


def settings() -> list[bytes]:
    job = Path(__file__).resolve().parents[2] / "jobs" / "fed_gin_heart" / "app" / "config"
    return [
        (job / "training.json").read_bytes(),
        b'{"task": "abdomen", "augmentation": "none", "patch_size": [64, 64], "channels": [8, 16],'
        b'"spacing": [1.5, 1.5, null], "gin": {"probability": 0.5, "draw": "per_batch"}}',
    ]


def datalist() -> list[bytes]:
    entries = [{"image": "./im/a.nii.gz", "label": "la/a.nii.gz", "patient": "p"}]
    return [
        json.dumps({"training": entries, "test": ["./im/b.nii.gz"], "name": "x"}).encode(),
        json.dumps({"training": entries, "validation": [{"image": "../a", "label": "b"}]}).encode(),
    ]


def checkpoint() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.ckpt"
        weights = {"a": np.ones((2, 2), np.float32), "n": np.array(3, np.int64)}
        run = Checkpoint("0" * 32, 1, 3, {"meta.json": "{}"}, weights, record={"title": "x"})
        save_checkpoint(run, file)
        whole = file.read_bytes()
    tree = io.BytesIO()
    write_tree(tree, {"a": [torch.ones(2), (1, None, "x", float("inf"))], 3: {"b": True}})
    return [whole, tree.getvalue()]


def card() -> list[bytes]:
    text = {
        "format": 1, "title": "x", "fedgin_version": "0", "package_sha256": "0" * 64,
        "lineage": None, "started_from": None, "task": "heart", "class_names": ["heart"],
        "settings": {"task": "heart"}, "rounds": 1,
        "choice": {"model": "best", "after_round": 1, "score": 0.5}, "modalities": {}, "sites": {},
        "contributions": {"1": ["a"]}, "intended_use": [], "limits": [],
        "weights": {"sha256": "0" * 64, "parameters": 4, "arrays": {"a": [2, 2]}},
    }  # fmt: skip
    return [json.dumps(text).encode()]


def weights() -> list[bytes]:
    return [pack_weights({"a": np.ones((2, 2), np.float32), "n": np.array(3, np.int64)})]


SEEDS: dict[str, Callable[[], list[bytes]]] = {
    maker.__name__: maker
    for maker in (nifti, site, server, settings, datalist, checkpoint, card, weights)
}
