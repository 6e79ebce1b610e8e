"""The commands of a walk-through, by the heading they stand under."""

from __future__ import annotations

import re
from pathlib import Path


def read_sections(document: Path) -> dict[str, str]:
    """Returns the bash blocks under each heading of a Markdown file, in their order."""
    sections: dict[str, list[str]] = {}
    heading, block = "", None
    for line in document.read_text(encoding="utf-8").splitlines():
        if block is not None:
            if line == "```":
                sections.setdefault(heading, []).append("\n".join(block))
                block = None
            else:
                block.append(line)
        elif line == "```bash":
            block = []
        elif match := re.match(r"##+ (.+)", line):
            heading = match.group(1)
    return {name: "\n".join(blocks) for name, blocks in sections.items()}
