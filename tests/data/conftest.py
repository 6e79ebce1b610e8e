"""A site that several tests of the preparation share."""

from __future__ import annotations

from pathlib import Path

import pytest
from linear_tissue import ORIENTATIONS, hospital, write_case

from fedgin.sites.lookup import Site


@pytest.fixture
def six(tmp_path: Path) -> Site:
    """Six patients whose files differ in their orientation only."""
    for codes in ORIENTATIONS:
        write_case(tmp_path, codes, codes)
    return hospital(tmp_path)
