"""Names become hashes wherever they stand, and other words stay."""

from __future__ import annotations

import pytest

from fedgin.doctor.scrub import Scrubber
from fedgin.sites.pseudonyms import patient_hash


def hashed(name: str) -> str:
    return f"#{patient_hash('a', name)}"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("anna", "no case of anna, bert", f"no case of {hashed('anna')}, bert"),
        ("anna", "ANNA and Anna", f"{hashed('anna')} and {hashed('anna')}"),
        ("anna", "annadale stays", "annadale stays"),
        ("anna", "anna_visit2", f"{hashed('anna')}_visit2"),
        ("Doe, John", "of Doe, John, twice", f"of {hashed('Doe, John')}, twice"),
        ("O'Brien", "of O'Brien", f"of {hashed(chr(79) + chr(39) + 'Brien')}"),
        ("a.b(c", "x a.b(c y", f"x {hashed('a.b(c')} y"),
        ("Müller", "of M\\xfcller", "of M\\xfcller"),
        ("tab\tbed", "of tab\\tbed", f"of {hashed('tab' + chr(9) + 'bed')}"),
        ("7", "no case of 7", f"no case of {hashed('7')}"),
        ("image", "the image is damaged", "the image is damaged"),
        ("  ", "two  spaces", "two  spaces"),
    ],
)
def test_known_names(name: str, text: str, expected: str) -> None:
    assert Scrubber("a", [name]).known(text) == expected


def test_a_longer_name_wins() -> None:
    found = Scrubber("a", ["anna", "anna maria"]).known("of anna maria")
    assert found == f"of {hashed('anna maria')}"


def test_without_names_a_text_stays() -> None:
    assert Scrubber("a", []).known("3 voxels of 'x'") == "3 voxels of 'x'"


def test_numbers_are_numbers_where_no_patient_can_be_named() -> None:
    scrubber = Scrubber("a", ["12", "1234"])
    assert scrubber.known("12 of 1234", numerals=False) == f"12 of {hashed('1234')}"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("'secret' here", False),
        ('"secret" here', False),
        ("cut off: 'secre", False),
        ("in /data/secret.nii.gz", False),
        ("secret.nii.gz", False),
        ("C:\\scans\\secret", False),
        ("{'image': 'secret', 'label", False),
        ("['secret'", False),
        ("'heart' stays", True),
        ("shape (12, 20), secretless", True),
    ],
)
def test_what_nobody_listed_is_hidden_where_a_file_may_be_quoted(text: str, kept: bool) -> None:
    found = Scrubber("a", [], allowed=["heart"]).strict(text)
    assert ("secre" in found or "heart" in found) == kept
    if kept:
        assert found == text
