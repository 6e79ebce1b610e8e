"""`fedgin study --task heart --quick`, as README has it: in time, complete, and readable."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from small_study import SmallStudy, run_study

from browser import headless_chromium

LIMIT_SECONDS = 600
FIGURES = (
    "Cross-modality matrix",
    "Mean Dice by training and augmentation",
    "Federated / centralized Dice",
    "Dice per organ",
    "HD95 in mm per organ",
    "Learning curves",
    "Example slices",
    "What each augmentation does",
)


@pytest.fixture(scope="session")
def quick_study(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SmallStudy, float]:
    folder = tmp_path_factory.mktemp("quick") / "out"
    start = time.perf_counter()
    study = run_study(
        folder,
        ("--task", "heart", "--quick"),
        site_configs=repository / "site_configs" / "study",
        timeout=2 * LIMIT_SECONDS,
    )
    return study, time.perf_counter() - start


@pytest.mark.slow
@pytest.mark.timeout(2 * LIMIT_SECONDS + 60)
def test_it_ends_in_time_with_every_run(quick_study: tuple[SmallStudy, float]) -> None:
    study, seconds = quick_study
    assert study.code == 0, study.output
    assert {run["status"] for run in study.record["runs"]} == {"done"}
    assert {run["regime"] for run in study.record["runs"]} == {"local", "centralized", "federated"}
    assert seconds < LIMIT_SECONDS


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_its_report_opens_with_every_figure(
    quick_study: tuple[SmallStudy, float], width: int
) -> None:
    study, _ = quick_study
    with headless_chromium() as tab:
        tab.open(study.folder / "report.html", width=width)
        assert tab.console == []
        assert len(tab.requests) == 1
        shown = tab.run(
            "() => [...document.querySelectorAll('figure')].map("
            "f => [f.textContent, f.querySelector('img').naturalWidth])"
        )
        for figure in FIGURES:
            widths = [wide for text, wide in shown if figure in text]
            assert widths, f"no figure '{figure}' among {[text[:40] for text, _ in shown]}"
            assert min(widths) > 300
        assert tab.run("() => document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
def test_gin_helps_a_model_on_the_other_modality(quick_study: tuple[SmallStudy, float]) -> None:
    study, _ = quick_study
    gains = {
        (row["regime"], row["population"]): row["difference"]
        for row in study.record["summary"]["gains"]
        if (row["modality"], row["class"]) == ("all", "mean")
    }
    assert gains["local", "training sites, other modality"] > 0.1
