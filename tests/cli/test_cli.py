"""The command line, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from fedgin.cli import build_app, main
from fedgin.cli.report import report
from fedgin.engine.weights import set_weights
from fedgin.errors import ConfigError
from fedgin.networks import build_network
from fedgin.release.model_file import read_release
from fedgin.report.run_record import RunRecord
from fedgin.report.run_table import to_json
from fedgin.settings import ResolvedSettings, make_settings
from released_models import release_into

TINY = {"channels": [4, 8], "patch_size": [32, 32], "batch_size": 2, "steps_per_round": 2}
TINY_OPTIONS = [
    part
    for key, value in {**TINY, "spacing": [5.0, 5.0, None]}.items()
    for part in ("--set", f"{key}={json.dumps(value)}")
]


@pytest.fixture
def sites(phantom_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEDGIN_SITE_CONFIGS", str(phantom_folder))
    monkeypatch.setenv("COLUMNS", "200")
    return phantom_folder


def call(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(), list(arguments), catch_exceptions=False)


def refusal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> str:
    """Runs the command's entry point, which must exit with 2, and returns what it said."""
    monkeypatch.setattr(sys, "argv", ["fedgin", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    return printed.err


def test_help_names_every_verb() -> None:
    result = call("--help")
    assert result.exit_code == 0
    for verb in (
        "phantom",
        "prepare",
        "train",
        "compare",
        "bench",
        "doctor",
        "predict",
        "audit",
        "job",
    ):
        assert verb in result.output
        assert call(verb, "--help").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--task", "hart"], "did you mean 'heart'?"),
        (["train", "--set", "learning_rat=1"], "did you mean 'learning_rate'?"),
        (["train", "--set", "steps_per_round=none"], "steps_per_round"),
        (["train", "--sites", "site-77"], "site-77.yaml"),
        (["compare", "--dims", "4"], "write 2,3"),
        (["compare", "--minutes", "1"], "it goes with --dims only"),
        (["train", "--sites", "site-1,site-1"], "one or more different site names"),
        (["prepare", "--sites", "../secret"], "letters, digits"),
        (["phantom", "OUT", "--protocol", "x-ray"], "x-ray"),
        (["job", "export", "no-such-job", "OUT", "--byoc"], "meta.json"),
        (["job", "export", "no-such-job", "OUT"], "add --byoc for a copy, or --installed"),
        (["job", "resume", "no-such-checkpoint", "OUT"], "add --byoc for a copy, or --installed"),
        (["fingerprint", "--dims", "4"], "--dims: it must be 2 or 3; found 4"),
        (
            ["data", "index", "msd", "ROOT", "--out", "a.yaml", "--label", "liver"],
            "STRUCTURE=VALUE",
        ),
    ],
)
def test_a_refusal_exits_with_2_and_says_how_to_mend_it(
    arguments: list[str],
    words: str,
    sites: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [str(tmp_path / "out") if part == "OUT" else part for part in arguments]
    said = refusal(monkeypatch, capsys, *arguments)
    assert said.startswith("fedgin: ")
    assert words in said
    assert "Mend: " in said
    assert list(tmp_path.iterdir()) == []


def test_the_installed_command_refuses_without_a_traceback() -> None:
    command = Path(sys.executable).parent / "fedgin"
    done = subprocess.run(
        [command, "train", "--task", "hart"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "did you mean 'heart'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def centre(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    return nibabel.affines.apply_affine(affine, np.argwhere(mask)).mean(axis=0)


def test_drawing_for_the_first_time_tells_nothing_of_fonts(tmp_path: Path) -> None:
    draw = (
        "import sys; sys.argv = ['fedgin', '--help']; from fedgin.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "import matplotlib.font_manager"
    )
    environment = {**os.environ, "MPLCONFIGDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", draw], env=environment, capture_output=True, text=True, check=True
    )
    assert any(tmp_path.glob("fontlist-*")), "this was not the first time"
    assert "fontManager" not in done.stderr


@pytest.mark.parametrize(("modality", "protocol"), [("ct", "native"), ("mr", "bssfp")])
def test_phantoms_are_nifti_files_whose_affine_is_honest(
    tmp_path: Path, modality: str, protocol: str
) -> None:
    result = call(
        "phantom", str(tmp_path), "--modality", modality, "--protocol", protocol, "--cases", "1"
    )
    assert result.exit_code == 0
    assert "1 case in" in result.output
    datalist = json.loads((tmp_path / "dataset.json").read_text())
    assert datalist["modality"] == {"0": modality.upper()}
    assert len(datalist["training"]) == 1
    for entry in datalist["training"]:
        image, label = (nibabel.load(tmp_path / entry[kind]) for kind in ("image", "label"))
        assert image.shape == label.shape
        np.testing.assert_array_equal(image.affine, label.affine)
        np.testing.assert_allclose(image.get_sform(), image.get_qform(), atol=1e-3)
        zooms = np.linalg.norm(image.affine[:3, :3], axis=0)
        np.testing.assert_allclose(image.header.get_zooms(), zooms, rtol=1e-5)
        assert image.header.get_xyzt_units()[0] == "mm"
        extent = zooms * image.shape
        assert (extent > 80).all()
        assert (extent < 700).all()
        values = np.asarray(label.dataobj)
        names = {value: name for name, value in datalist["labels"].items()}
        assert set(np.unique(values)) == set(names)
        # In a person: the left ventricle lies left of the right atrium, the right ventricle in
        # front of the left atrium, the atria above the ventricles' lower tip.
        place = {names[v]: centre(values == v, label.affine) for v in names if v}
        assert place["left_ventricle"][0] < place["right_atrium"][0]
        assert place["right_ventricle"][1] > place["left_atrium"][1]
        assert place["left_ventricle"][2] < place["left_atrium"][2]
        voxel_ml = abs(np.linalg.det(image.affine[:3, :3])) / 1000
        assert 200 < np.count_nonzero(values) * voxel_ml < 1500
        pixels = np.asarray(image.dataobj)
        if modality == "ct":
            assert pixels.min() >= -1024
            assert pixels.min() < -900  # air


def test_prepare_counts_cases_and_finds_them_in_the_cache_later(sites: Path) -> None:
    options = ["--set", "spacing=[6.5,6.5,null]"]
    first = call("prepare", *options)
    again = call("prepare", *options)
    assert first.exit_code == again.exit_code == 0

    def cells(result: Result, site: str) -> list[str]:
        (line,) = [line for line in result.output.splitlines() if f" {site} " in line]
        return line.replace("│", " ").split()

    assert cells(first, "site-1")[:7] == ["site-1", "CT", "2", "1", "1", "4", "0"]
    assert cells(again, "site-1")[:7] == ["site-1", "CT", "2", "1", "1", "0", "4"]
    assert cells(again, "site-2")[:7] == ["site-2", "MR", "2", "1", "1", "0", "4"]


def test_train_writes_models_that_fit_the_network(sites: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = call(
        "train", "--sites", "site-1,site-2", "--rounds", "2", "--out", str(out), *TINY_OPTIONS
    )
    assert result.exit_code == 0
    assert "round 2 of 2: loss" in result.output
    network = build_network(make_settings(task="heart", **TINY))
    for name in ("best_model.pt", "last_model.pt"):
        model = torch.load(out / name, weights_only=True)["model"]
        set_weights(network, {key: value.numpy() for key, value in model.items()})
    history = json.loads((out / "history.json").read_text())
    assert len(history["loss"]) == 2
    assert len(history["validation_score"]) == 3
    assert f"best (round {history['best_round']})" in result.output
    released = read_release(out / "release")
    best = torch.load(out / "best_model.pt", weights_only=True)["model"]
    assert all(np.array_equal(released.weights[key], best[key].numpy()) for key in best)
    card = released.card
    assert card.title == "heart, pooled volumes, augmentation gin, 2 sites, 2 rounds"
    assert card.choice.after_round == history["best_round"]
    assert card.choice.score == pytest.approx(max(history["validation_score"]))
    for name, modality in (("site-1", "CT"), ("site-2", "MR")):
        facts = card.sites[name]
        assert (facts.modality, facts.test.cases, facts.validation.cases) == (modality, 1, 1)
        # The table shows the same number.
        assert f"{facts.test.dice:.3f}" in result.output
    assert card.contributions == {1: ("site-1", "site-2"), 2: ("site-1", "site-2")}


def test_a_second_training_keeps_the_first_ones_model(
    sites: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "best_model.pt").write_bytes(b"the first site's")
    said = refusal(monkeypatch, capsys, "train", "--sites", "site-2", "--out", str(tmp_path))
    assert "an earlier run's models are not overwritten" in said
    assert f"best_model.pt in '{tmp_path}'" in said
    assert (tmp_path / "best_model.pt").read_bytes() == b"the first site's"


def test_without_validation_patients_no_model_is_called_the_best(
    phantom_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (phantom_folder / "site-1.yaml").read_text()
    assert "cases: 4" in text
    alone = text.replace("validation: 0.25, test: 0.25", "validation: 0, test: 0")
    (tmp_path / "alone.yaml").write_text(alone)
    monkeypatch.setenv("FEDGIN_SITE_CONFIGS", str(tmp_path))
    out = tmp_path / "run"
    (out / "state").mkdir(parents=True)
    result = call(
        *("train", "--sites", "alone", "--task", "abdomen", "--rounds", "1"),
        *("--out", str(out), "--force"),
        *TINY_OPTIONS,
    )
    assert result.exit_code == 0
    warning = "warning: no validation patients to choose the best model at alone: the last model is"
    before, _, after = result.output.partition("round 1 of 1: ")
    assert warning in before
    assert warning in after
    assert "warning: no test patients to measure it at alone" in before
    assert "validation Dice not measured" in after
    assert "nan" not in result.output
    assert f"last model with its card: {out / 'release'}" in after
    assert not (out / "best_model.pt").exists()
    assert read_release(out / "release").card.choice.model == "last"


@pytest.mark.parametrize(
    "command",
    [
        ("check", "site-1", "--html"),
        ("bench", "--only", "step", "--json"),
        ("audit", "--json"),
    ],
)
def test_a_report_replaces_no_file_of_another_kind(
    command: tuple[str, ...],
    sites: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "thesis"
    file.write_text("years of work")
    said = refusal(monkeypatch, capsys, *command, str(file))
    assert "a file that is no earlier report is not overwritten" in said
    assert file.read_text() == "years of work"


@pytest.mark.parametrize(
    "command",
    [
        ("train", "--out", "FILE"),
        ("phantom", "FILE/sub"),
        ("fingerprint", "--out", "FILE/sub"),
        ("bench", "--only", "step", "--json", "FILE/sub"),
        ("check", "site-1", "--html", "FILE/sub"),
    ],
)
def test_a_path_that_cannot_be_written_is_named_with_its_option_before_the_work(
    command: tuple[str, ...],
    sites: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "afile"
    file.write_text("mine")
    said = refusal(monkeypatch, capsys, *(part.replace("FILE", str(file)) for part in command))
    assert str(file) in said
    assert "what is written needs a folder that can be written" in said or "new or empty" in said
    assert "Mend: name another" in said
    assert file.read_text() == "mine"


def test_phantoms_are_not_written_over_a_real_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dataset.json").write_text('{"name": "Spleen"}')
    said = refusal(monkeypatch, capsys, "phantom", str(tmp_path), "--cases", "1", "--force")
    assert "phantoms need a new or empty folder" in said
    assert (tmp_path / "dataset.json").read_text() == '{"name": "Spleen"}'
    assert len(list(tmp_path.iterdir())) == 1


def test_compare_shows_every_pair_of_sites(sites: Path) -> None:
    result = call("compare", "--seeds", "1", "--rounds", "1", *TINY_OPTIONS)
    assert result.exit_code == 0
    for text in ("gain of gin, other modality", "gain of gin, own modality", "1 seeds, 1 rounds"):
        assert text in result.output
    rows = [line for line in result.output.splitlines() if line.count("site-") == 2]
    table = [row for row in rows if "training" not in row]
    pairs = {tuple(p for p in row.replace("│", " ").split() if "site" in p) for row in table}
    assert pairs == {(a, b) for a in ("site-1", "site-2") for b in ("site-1", "site-2")}


def test_bench_shows_and_writes_the_share_of_each_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    file = tmp_path / "bench.json"
    quickly = ("--device", "cpu", "--threads", "1", "--repeats", "3", "--only", "step")
    result = call("bench", *quickly, "--json", str(file), *TINY_OPTIONS)
    assert result.exit_code == 0
    assert "GIN: share of a step" in result.output
    figures = json.loads(file.read_text())["figures"]
    assert sum(one["value"] for one in figures if one["unit"] == "%") == pytest.approx(100)


def test_an_unknown_benchmark_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'step'"):
        call("bench", "--only", "gin,stepp")


def test_job_export_writes_the_overridden_job(repository: Path, tmp_path: Path) -> None:
    source = str(repository / "jobs" / "fed_gin_heart")
    out = tmp_path / "out"
    result = call("job", "export", source, str(out), "--installed", "--set", "num_rounds=9")
    assert result.exit_code == 0
    assert "class_allow_list" in result.output
    server = json.loads((out / "app/config/config_fed_server.json").read_text())
    assert server["num_rounds"] == 9


def test_an_evaluation_is_exported_from_a_model_and_refused_without(
    repository: Path,
    quick: ResolvedSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = str(repository / "jobs" / "evaluate")
    model = release_into(tmp_path / "release", quick)
    result = call("job", "export", source, str(tmp_path / "a"), "--byoc", "--from", str(model))
    assert result.exit_code == 0
    assert (tmp_path / "a/app/config/start/model.safetensors").is_file()
    said = refusal(monkeypatch, capsys, "job", "export", source, str(tmp_path / "b"), "--byoc")
    assert "--from MODEL" in said


def test_a_study_s_contradicting_grids_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ("study", "--out", str(out), "--quick", "--grid", "full")
    assert "--quick: it is a grid of its own" in refusal(monkeypatch, capsys, *arguments)
    assert not out.exists()


def test_a_study_leaves_what_it_refuses_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, foreign = tmp_path / "file", tmp_path / "foreign"
    foreign.mkdir()
    for mine in (file, foreign / "thesis.txt"):
        mine.write_text("mine")
    said = refusal(monkeypatch, capsys, "study", "--quick", "--out", str(file))
    assert f"{file}: a study needs a folder" in said
    said = refusal(monkeypatch, capsys, "study", "--quick", "--out", str(foreign))
    assert "must be new, empty, or that of the same study" in said
    assert [entry.name for entry in foreign.iterdir()] == ["thesis.txt"]
    assert file.read_text() == "mine"


@pytest.mark.parametrize("value", [None, "gone"])
@pytest.mark.parametrize("key", ["title", "sites", "planned_rounds", "final"])
def test_a_damaged_report_of_a_run_is_refused_in_a_line(
    key: str, value: str | None, tmp_path: Path
) -> None:
    content = to_json(RunRecord(title="a run"))
    if value is None:
        content[key] = None
    else:
        del content[key]
    file = tmp_path / "report.json"
    file.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"report\.json"):
        report(file)
