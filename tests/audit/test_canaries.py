"""No name that a site's files carry reaches what the server holds; where it stays it is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgin.audit.canary_sites import BROKEN, PLACES, SOUND, plant
from fedgin.audit.row import AuditRow
from fedgin.audit.search import search

Canaries = tuple[Path, AuditRow]


def test_every_word_is_planted_where_it_should_be(tmp_path: Path) -> None:
    words = plant(tmp_path, seed=5)
    assert set(words) == set(PLACES)
    assert len(set(words.values())) == len(PLACES)
    found = search(tmp_path, words.values()).places
    assert all(found[word] for word in words.values())
    headers = [words[key] for key in ("descrip", "aux_file", "intent_name", "db_name")]
    for word in headers:  # in the gzipped files alone, and in those of the sound site
        assert all(name.endswith(".nii.gz") and SOUND in name for name in found[word])
    assert all(BROKEN in name for name in found[words["broken file"]])


@pytest.mark.slow
def test_the_row_holds(canaries: Canaries) -> None:
    _, row = canaries
    assert row.holds, row
    without = {figure.name: figure.value for figure in row.without}
    defended = {figure.name: figure.value for figure in row.defended}
    assert without["planted"] == len(PLACES)
    assert without["found in the sites' run folders and logs"] > 0
    assert defended["found in what the server holds"] == 0
    assert defended["files searched there"] > 20


@pytest.mark.slow
def test_the_refusal_with_the_file_s_name_stays_at_the_site(
    canaries: Canaries, tmp_path: Path
) -> None:
    folder, _ = canaries
    word = plant(tmp_path, seed=5)["broken file"]
    workspace = folder / "workspace"
    assert "log.txt" in search(workspace / BROKEN, [word]).places[word]
    for elsewhere in (workspace / "server", workspace / SOUND):
        assert search(elsewhere, [word]).occurrences == 0


@pytest.mark.slow
def test_the_server_heard_of_both_sites(canaries: Canaries) -> None:
    server = canaries[0] / "workspace/server"
    assert BROKEN in (server / "simulate_job/report.json").read_text()
    assert (server / "log.txt").stat().st_size > 1000
    events = list((server / f"simulate_job/tb_events/{SOUND}").iterdir())
    assert any(b"IHDR" in file.read_bytes() for file in events)  # pictures were shared


@pytest.mark.slow
def test_a_site_with_few_patients_reports_no_class(canaries: Canaries) -> None:
    report = (canaries[0] / "workspace/server/simulate_job/report.json").read_text()
    assert '"per_class": {\n' in report
    assert '"heart": null' in report
    log = (canaries[0] / "workspace" / SOUND / "log.txt").read_text()
    assert "1 of 1 classes are not reported, for fewer than 5 patients have them: heart" in log
