"""Judges README's first command by what it printed: complete, Dice at least 0.80 at each site."""

from __future__ import annotations

import re
import sys
from pathlib import Path

LEAST_DICE = 0.80


def main(log: str) -> int:
    """Returns 0 where the run kept README's promises."""
    if "complete ===" not in log or "FAILED" in log:
        sys.stderr.write("the run was not complete\n")
        return 1
    table = log.rpartition("Dice on test patients")[2]
    row = re.search(r"^best\s+(\d\.\d+)\s+(\d\.\d+)", table, flags=re.MULTILINE)
    if row is None:
        sys.stderr.write("no Dice of the best model\n")
        return 1
    dice = [float(value) for value in row.groups()]
    sys.stdout.write(f"test Dice of the best model by site: {dice}, least {LEAST_DICE}\n")
    return 0 if min(dice) >= LEAST_DICE else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).read_text(encoding="utf-8")))
