"""A study that nobody ran: rows, record and examples with numbers that follow a known rule."""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fedgin.study.rows import AUGMENTATIONS, Row, write_rows

SITES = {
    "ct-arterial": ("CT", "training"),
    "ct-venous": ("CT", "training"),
    "mr-bssfp": ("MR", "training"),
    "mr-t1": ("MR", "training"),
    "ct-late": ("CT", "unseen"),
    "mr-t2": ("MR", "unseen"),
}
TRAINING = [name for name, (_, role) in SITES.items() if role == "training"]
ALL = "+".join(sorted(TRAINING))
ABDOMEN = ("liver", "spleen", "kidneys", "pancreas", "gallbladder", "stomach")
SKILL = dict(
    zip(
        AUGMENTATIONS,
        (0.25, 0.45, 0.5, 0.52, 0.4, 0.55, 0.6, 0.72, 0.7, 0.71, 0.73),
        strict=True,
    )
)
BOTH = ("none", "gin")
GRID: Mapping[str, Sequence[str]] = {
    "local": AUGMENTATIONS,
    "centralized": ("none", "randconv-mix", "fourier-mix", "dual-normalization", "gin"),
    "federated": ("none", "randconv-mix", "fourier-mix", "dual-normalization", "gin"),
    "leave-one-site-out": BOTH,
    "leave-one-modality-out": BOTH,
    "fine-tuned": BOTH,
}


def groups(regime: str) -> list[str]:
    """Training sites of each model of a regime."""
    if regime in ("centralized", "federated"):
        return [ALL]
    if regime in ("local", "fine-tuned"):
        return list(TRAINING)
    if regime == "leave-one-site-out":
        return ["+".join(sorted(set(TRAINING) - {site})) for site in TRAINING]
    return ["+".join(sorted(s for s in TRAINING if SITES[s][0] == m)) for m in ("MR", "CT")]


def noise(*key: object) -> float:
    """A number in [-0.5, 0.5) that depends on the key alone."""
    return zlib.crc32(repr(key).encode()) / 2**32 - 0.5


def make_rows(
    *,
    classes: Sequence[str] = ("heart",),
    seeds: Sequence[int] = (0,),
    patients: int = 4,
    grid: Mapping[str, Sequence[str]] = GRID,
    skill: Mapping[str, float] = SKILL,
) -> list[Row]:
    """Rows in which Dice depends on augmentation, on crossing and on the patient."""
    rows: list[Row] = []
    for regime, augmentations in grid.items():
        for augmentation in augmentations:
            for seed in seeds:
                for train_sites in groups(regime):
                    for site, (modality, role) in SITES.items():
                        for number in range(patients):
                            rows += _patient_rows(
                                (regime, augmentation, seed, train_sites, site, modality, role),
                                number,
                                classes,
                                skill[augmentation],
                            )
    return rows


def _patient_rows(
    head: tuple[str, str, int, str, str, str, str],
    number: int,
    classes: Sequence[str],
    skill: float,
) -> list[Row]:
    regime, augmentation, seed, train_sites, site, modality, role = head
    crossing = modality not in {SITES[name][0] for name in train_sites.split("+")}
    patient = hashlib.sha256(f"{site}/{number}".encode()).hexdigest()[:12]
    rows = []
    for place, name in enumerate(classes):
        level = skill if crossing else 0.92 - 0.1 * (1 - skill)
        level -= 0.04 * place + (0.03 if regime == "federated" else 0.0)
        level += 0.12 * noise(patient, name) + 0.06 * noise(head, patient, name)
        dice = min(max(level, 0.0), 0.98)
        status = "measured"
        if name == "pancreas" and site == "mr-t1":
            status = "not annotated"
        elif crossing and dice < 0.1:
            status = "missed"
        elif name == "gallbladder" and number == 0:
            status = "absent" if noise(head, "invented") < 0.2 else "invented"
        values = {"dice": dice, "hd95": 5 + 60 * (1 - dice), "nsd": dice**1.5}
        if status in ("missed", "invented"):
            values = {"dice": 0.0, "hd95": 420.5, "nsd": 0.0}
        if status in ("absent", "not annotated"):
            values = dict.fromkeys(values, math.nan)
        rows += [
            Row(
                regime=regime,
                augmentation=augmentation,
                algorithm="fedavg" if regime in ("federated", "fine-tuned") else "",
                seed=seed,
                train_sites=train_sites,
                test_site=site,
                role=role,
                modality=modality,
                patient=patient,
                class_name=name,
                metric=metric,
                value=value,
                status=status,
            )
            for metric, value in values.items()
        ]
    return rows


def make_record(
    rows: Sequence[Row], *, task: str = "heart", failed: int = 1, patients: int = 4
) -> dict[str, Any]:
    """The record that belongs to rows; `failed` runs have none."""
    runs = []
    models = {(r.regime, r.augmentation, r.algorithm, r.seed, r.train_sites): None for r in rows}
    for regime, augmentation, algorithm, seed, train_sites in models:
        sites = train_sites.split("+")
        start = 0.2 + 0.1 * noise(regime, augmentation)
        runs.append(
            {
                "id": f"{regime}_{augmentation}_seed{seed}_{train_sites}",
                "regime": regime,
                "augmentation": augmentation,
                "algorithm": algorithm,
                "seed": seed,
                "train_sites": sites,
                "status": "done",
                "error": "",
                "seconds": 40.0,
                "steps": 300 * len(sites),
                "loss": [0.8 * 0.7**n + 0.05 * noise(augmentation, n) for n in range(5)],
                "validation": [None] + [start + 0.12 * n for n in range(5)],
            }
        )
    for number in range(failed):
        runs.append(
            {
                **runs[0],
                "id": f"failed-{number}",
                "status": "failed",
                "error": "RuntimeError: out of memory <at step 12> & stopped",
                "loss": [],
                "validation": [],
            }
        )
    return {
        "format": 1,
        "task": task,
        "classes": list(dict.fromkeys(row.class_name for row in rows)),
        "command": f"fedgin study --task {task} --out study",
        "versions": {"fedgin": "0.1.0", "torch": "2.13.0", "monai": "1.6.1", "nvflare": "2.9.0"},
        "created": "2026-01-01T12:00:00+00:00",
        "seconds": 1234.5,
        "quick": False,
        "seeds": sorted({row.seed for row in rows}),
        "tolerance_mm": 4.0,
        "rounds": 5,
        "steps_per_site": 300,
        "settings": {"task": task, "learning_rate": 5e-4, "channels": [8, 16, 32]},
        "sites": [
            {
                "name": name,
                "modality": modality,
                "role": role,
                "description": f"phantom, {name.split('-')[1]}, 16 cases",
                "patients": {
                    "train": 8 if role == "training" else 0,
                    "validation": 2 if role == "training" else 0,
                    "test": patients,
                },
                "not_annotated": ["pancreas"] if task == "abdomen" and name == "mr-t1" else [],
            }
            for name, (modality, role) in SITES.items()
        ],
        "runs": runs,
    }


def make_examples(n_classes: int, augmentations: Sequence[str]) -> dict[str, np.ndarray]:
    """Discs of several sizes on a bright body."""
    y, x = np.mgrid[:120, :150]
    found: dict[str, np.ndarray] = {}
    for modality in ("CT", "MR"):
        body = ((y - 60) / 50) ** 2 + ((x - 75) / 68) ** 2 < 1
        image = np.where(body, 0.5, -1.0) + 0.05 * np.sin(x / 3) * np.cos(y / 5)
        truth, none, gin = (np.zeros((120, 150), np.uint8) for _ in range(3))
        for label in range(1, n_classes + 1):
            centre = (40 + 35 * ((label - 1) % 2), 35 + 40 * ((label - 1) // 2))
            distance = np.hypot(y - centre[0], x - centre[1])
            truth[distance < 15] = label
            gin[distance < 13] = label
            if label % 2:
                none[np.hypot(y - centre[0], x - centre[1] - 8) < 9] = label
        found |= {
            f"{modality}/image": image.astype(np.float32),
            f"{modality}/truth": truth,
            f"{modality}/none": none,
            f"{modality}/gin": gin,
            f"{modality}/caption": np.array(
                f"local, other modality, patient 12ab34cd56ef, {modality.lower()}-site"
            ),
        }
        for place, name in enumerate(augmentations):
            strip = image if name == "none" else np.sin(image * (place + 1) * 0.7)
            found[f"{modality}/strip/{name}"] = strip.astype(np.float32)
    return found


def write_study(
    folder: Path,
    rows: Sequence[Row],
    record: Mapping[str, Any],
    *,
    examples: bool = True,
) -> Path:
    """Writes a study's folder as `fedgin study` does."""
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / "results.csv", rows)
    (folder / "results.json").write_text(json.dumps(record, allow_nan=False))
    if examples:
        present = {row.augmentation for row in rows}
        arrays = make_examples(
            len(record["classes"]), [name for name in AUGMENTATIONS if name in present]
        )
        np.savez(folder / "examples.npz", **arrays)
    return folder
