"""A site that has everything: kit, server, time, job, volumes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from hospital import CANARY_PARTS, write_hospital
from loopback import answer, listening, server_context, time_server
from provisioned import Federation
from subjects import TINY
from typer.testing import CliRunner

from fedgin.cli import build_app
from fedgin.doctor.finding import DoctorReport
from fedgin.jobs.export import export_job


def test_a_site_that_has_everything_passes_every_check(
    kit_folder: Path, federation: Federation, repository: Path, tmp_path: Path
) -> None:
    cache = {"folder": str(tmp_path / "cache"), "quota_gb": 0.1}
    file = write_hospital(tmp_path, cache=cache)
    for copied in (file, *(repository / "site_configs/hospital").glob("*.json")):
        shutil.copy(copied, kit_folder / "local")
    overrides = [f"{key}={json.dumps(value)}" for key, value in TINY.items() if key != "task"]
    job = export_job(
        repository / "jobs/fed_gin_heart", tmp_path / "job", byoc=False, overrides=overrides
    )
    client = kit_folder / "startup/fed_client.json"
    with (
        listening(server_context(federation), says=b"settings") as port,
        time_server(lambda question: answer(question, shift=1.0)) as clock,
    ):
        client.write_text(client.read_text().replace("localhost:8002", f"localhost:{port}"))
        command = ["doctor", "--json", "--site-config", str(file), "--kit", str(kit_folder)]
        command += ["--job", str(job), "--time-server", str(clock)]
        result = CliRunner().invoke(build_app(), command, catch_exceptions=False)
    report = DoctorReport.model_validate_json(result.stdout)
    odd = {f"{f.check}: {f.name}: {f.found}" for f in report.findings if f.status != "ok"}
    assert odd == {"memory: GPU memory: the site trains on the CPU"}
    assert result.exit_code == 0
    for part in CANARY_PARTS:
        assert part not in result.output.lower()


def test_the_kits_file_must_be_the_one_that_was_looked_at(
    kit_folder: Path, repository: Path, tmp_path: Path
) -> None:
    file = write_hospital(tmp_path)
    (kit_folder / "local" / file.name).write_text(file.read_text() + "# another\n")
    options = [f"--set={key}={json.dumps(value)}" for key, value in TINY.items() if key != "task"]
    command = ["doctor", "--json", "--site-config", str(file), "--kit", str(kit_folder), *options]
    result = CliRunner().invoke(build_app(), command, catch_exceptions=False)
    assert result.exit_code == 1
    report = DoctorReport.model_validate_json(result.stdout)
    (found,) = [finding for finding in report.findings if finding.name == "file in the kit"]
    assert found.status == "failed"
