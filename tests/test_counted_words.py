"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from fedgin.words import counted


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 cases"), (1, "1 case"), (2, "2 cases"), (21, "21 cases")]
)
def test_one_is_not_counted_as_many(number: int, text: str) -> None:
    assert counted(number, "case") == text
