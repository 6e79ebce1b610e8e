"""What is dear to make is made once per test session, whichever worker needs it first."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from filelock import FileLock

Made = TypeVar("Made")


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Made]) -> Made:
    """Makes something in a folder that pytest's workers share, or takes what another has made.

    Args:
        factory: pytest's fixture `tmp_path_factory`.
        name: A name that nothing else has.
        make: Makes it in the empty folder given; the result can be pickled.
    """
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, result = shared / name, shared / f"{name}.pickle"
    with FileLock(f"{folder}.lock"):
        if not result.is_file():
            shutil.rmtree(folder, ignore_errors=True)  # what a worker left that failed
            folder.mkdir()
            result.write_bytes(pickle.dumps(make(folder)))
        made: Made = pickle.loads(result.read_bytes())
        return made
