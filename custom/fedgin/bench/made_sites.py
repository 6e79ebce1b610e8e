"""Made-up hospitals to measure with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SITES = ("site-1", "site-2")
CASES = 4


def write_site(file: Path, *, cache: Path, threads: int, **content: Any) -> None:
    """Writes a site's file.

    Args:
        file: The file; its folder is made.
        cache: Where prepared volumes and the site's secret are kept.
        threads: CPU threads of the site.
        **content: The other keys.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    own = {"cache": {"folder": str(cache)}, "secret": {"folder": str(cache / "secret")}}
    whole = {**content, **own, "device": "cpu", "threads": threads}
    file.write_text(json.dumps(whole), encoding="utf-8")  # JSON is YAML too


def write_sites(folder: Path, *, cache: Path, threads: int) -> None:
    """Writes the files of a CT and an MR site of four phantoms each.

    Args:
        folder: Where the files go; it is made.
        cache: As for `write_site`.
        threads: As for `write_site`.
    """
    for site, modality, protocol in zip(SITES, ("CT", "MR"), ("arterial", "bssfp"), strict=True):
        write_site(
            folder / f"{site}.yaml",
            cache=cache,
            threads=threads,
            modality=modality,
            dataset={"kind": "phantom", "protocol": protocol, "seed": 1, "cases": CASES},
            split={"by": "fraction", "validation": 0.25, "test": 0.25, "seed": 0},
        )
