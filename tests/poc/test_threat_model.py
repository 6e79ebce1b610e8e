"""Every sentence on what is defended names a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


@pytest.fixture(scope="module")
def claims(repository: Path) -> list[str]:
    """The bullets of the threat model, which are its claims."""
    text = (repository / "poc" / "THREAT_MODEL.md").read_text(encoding="utf-8")
    bullets = re.findall(r"^- (.*(?:\n  .*)*)", text, flags=re.MULTILINE)
    return [" ".join(bullet.split()) for bullet in bullets]


def test_every_claim_names_the_test_that_holds_it(claims: list[str]) -> None:
    assert len(claims) > 20
    assert [claim for claim in claims if not NAMED.search(claim)] == []


def test_every_named_test_is_there(claims: list[str], repository: Path) -> None:
    for file, name in {found for claim in claims for found in NAMED.findall(claim)}:
        assert (repository / file).is_file(), file
        text = (repository / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {name or 'test_'}", text, flags=re.MULTILINE), (file, name)


def test_readme_leads_to_it(repository: Path) -> None:
    assert "(poc/THREAT_MODEL.md)" in (repository / "README.md").read_text(encoding="utf-8")
