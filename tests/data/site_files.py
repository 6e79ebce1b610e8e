"""A hospital of a few NIfTI files for the tests: its own file, its cases, its refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml

from fedgin.config import parse, read_mapping
from fedgin.errors import FedginError, Problem
from fedgin.sites.lookup import Site
from fedgin.sites.schema import SiteConfig

PHANTOM = {"kind": "phantom", "protocol": "arterial", "seed": 1, "cases": 1}


def make_site(folder: Path, *, modality: str = "CT", **values: Any) -> Site:
    """Writes and reads a site's file; its cache lies in the same folder."""
    file = folder / "hospital.yaml"
    cache = {"folder": str(folder / "cache")}
    content = {"modality": modality, "dataset": PHANTOM, "cache": cache, "threads": 1, **values}
    file.write_text(yaml.safe_dump(content))
    return Site(
        name="hospital",
        path=file,
        config=parse(SiteConfig, read_mapping(file), where=str(file)),
    )


def save(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    """Writes a NIfTI file, by default with voxels of 2 x 2 x 3 mm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(
        nib.Nifti1Image(array, np.diag([2.0, 2.0, 3.0, 1.0]) if affine is None else affine), path
    )
    return path


def problems_of(action: Callable[[], object], kind: type[FedginError]) -> tuple[Problem, ...]:
    """The problems with which an action is refused."""
    with pytest.raises(kind) as caught:
        action()
    return caught.value.problems
