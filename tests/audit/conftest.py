"""The audit's figures, measured once for all tests that read them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from audit_results import LIMIT_SECONDS, Audit

COMMAND = "import sys; from fedgin.cli import main; sys.argv = ['fedgin', *sys.argv[1:]]; main()"


@pytest.fixture(scope="session")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """Runs `fedgin audit` whole, as a user does."""
    file = tmp_path_factory.mktemp("audit") / "figures.json"
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "audit", "--json", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * LIMIT_SECONDS,
    )
    assert file.is_file(), done.stderr
    report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return Audit(code=done.returncode, printed=done.stdout, report=report)
