"""tenseal is asked for only where it is used, and a clear sentence stands in for a traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fedgin.encryption.backend import load_tenseal
from fedgin.errors import ConfigError
from fedgin.flare.encryption.keys import EncryptionKeys

MODULES = (
    "fedgin.jobs.export",
    "fedgin.flare.learner",
    "fedgin.flare.aggregator",
    "fedgin.flare.deliver",
    "fedgin.flare.encryption.aggregator",
    "fedgin.flare.encryption.checkpoints",
    "fedgin.flare.encryption.keys",
    "fedgin.flare.encryption.persistor",
    "fedgin.flare.encryption.deliver",
    "fedgin.flare.encryption.delivery",
    "fedgin.flare.encryption.site_filters",
)


def test_without_tenseal_the_refusal_names_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tenseal", None)
    with pytest.raises(ConfigError, match=r"tenseal.*Mend: install it there: `pip install"):
        load_tenseal()
    # The first component of an encrypted job, so that FLARE's own never fail for want of it.
    with pytest.raises(ConfigError, match="package tenseal"):
        EncryptionKeys("server")


def test_no_module_that_a_plain_job_needs_imports_it() -> None:
    code = (
        f"import sys; sys.modules['tenseal'] = None\nfor name in {MODULES}:\n    __import__(name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_role_that_is_unknown_is_refused() -> None:
    with pytest.raises(ConfigError, match="'server' or 'client'"):
        EncryptionKeys("both")  # type: ignore[arg-type]
