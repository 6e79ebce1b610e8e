"""What a figure writes where its picture cannot say it, and how it fits a phone."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from fedgin.report.study.figures.means import ratio_figure, summary_figure
from fedgin.report.study.figures.slices import examples_figure, strip_figure
from fedgin.report.study.figures.style import NARROW, png

CLASSES = ["heart"]
AUGMENTATIONS = ("fourier-mix", "fda", "gin")


def texts(figure: Any) -> list[str]:
    """Every title and note of a figure's panels."""
    figure.draw_without_rendering()
    return [
        text.get_text()
        for axes in figure.get_axes()
        for text in (axes.title, *axes.texts)
        if axes.get_visible() and text.get_text()
    ]


@pytest.fixture
def arrays() -> dict[str, Any]:
    from synthetic_study import make_examples

    return make_examples(1, AUGMENTATIONS)


def test_an_empty_prediction_says_so(arrays: dict[str, Any]) -> None:
    assert "nothing predicted" not in texts(examples_figure(arrays, CLASSES))
    arrays["CT/none"] = np.zeros_like(arrays["CT/none"])
    found = texts(examples_figure(arrays, CLASSES))
    assert found.count("nothing predicted") == 1
    place = found.index("nothing predicted")
    assert found[place - 1] == "predicted, no augm."


def test_a_prediction_that_no_run_could_give_says_so(arrays: dict[str, Any]) -> None:
    for name in ("none", "gin"):
        del arrays[f"MR/{name}"]
    found = texts(examples_figure(arrays, CLASSES))
    assert found.count("needs runs with\nand without GIN") == 2


@pytest.mark.parametrize("narrow", [False, True])
def test_the_original_comes_first_though_it_was_not_trained_on(
    arrays: dict[str, Any], narrow: bool
) -> None:
    figure = strip_figure(arrays, narrow=narrow)
    assert figure is not None
    assert texts(figure)[0] == "CT: original"
    shown = figure.get_axes()[0].images[0].get_array()
    np.testing.assert_array_equal(np.asarray(shown), arrays["CT/image"])
    assert {"MR: original", "MR: GIN", "CT: Fourier mix"} <= set(texts(figure))


def test_mixing_with_no_second_image_is_said(arrays: dict[str, Any]) -> None:
    assert "needs a second image" not in texts(strip_figure(arrays))
    for name in ("fourier-mix", "gin"):
        arrays[f"CT/strip/{name}"] = arrays["CT/image"]
    found = texts(strip_figure(arrays))
    assert found.count("needs a second image") == 1
    assert found[found.index("needs a second image") - 1] == "CT: Fourier mix"


def means(regime: str, populations: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {
            "metric": "dice",
            "modality": "all",
            "arm": regime,
            "regime": regime,
            "augmentation": "gin",
            "population": population,
            "mean": 0.5,
            "low": 0.4,
            "high": 0.6,
        }
        for population in populations
    ]


def test_a_panel_without_judged_patients_warns_of_nothing() -> None:
    # Sites of one modality: local training has no patients of the other one.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = summary_figure(means("local", ("own site",)))
        assert figure is not None
        png(figure)


def ratios(*algorithms: str) -> list[dict[str, Any]]:
    return [
        {
            "algorithm": algorithm,
            "arm": "federated" if algorithm == "fedavg" else f"federated ({algorithm})",
            "augmentation": "gin",
            "population": "training sites",
            "modality": modality,
            "class": "mean",
            "ratio": 0.95,
            "low": 0.9,
            "high": 1.0,
        }
        for algorithm in algorithms
        for modality in ("CT", "MR")
    ]


def test_the_ratio_of_every_algorithm_is_drawn() -> None:
    found = texts(ratio_figure(ratios("fedavg", "fedbn"), CLASSES))
    assert found == ["federated: training sites", "federated (fedbn): training sites"]
    assert texts(ratio_figure(ratios("scaffold"), CLASSES)) == [
        "federated (scaffold): training sites"
    ]


@pytest.mark.parametrize("draw", ["summary", "ratio", "examples", "strip"])
def test_a_phone_gets_a_figure_in_which_nothing_is_cut(draw: str, arrays: dict[str, Any]) -> None:
    figure = {
        "summary": lambda: summary_figure(
            means("local", ("training sites, other modality", "unseen hospitals, other modality")),
            narrow=True,
        ),
        "ratio": lambda: ratio_figure(ratios("fedavg", "fedbn"), CLASSES, narrow=True),
        "examples": lambda: examples_figure(arrays, CLASSES, narrow=True),
        "strip": lambda: strip_figure(arrays, narrow=True),
    }[draw]()
    assert figure is not None
    figure.draw_without_rendering()
    width = figure.get_figwidth()
    assert width == NARROW
    for axes in figure.get_axes():
        if axes.get_visible():
            box = axes.get_tightbbox().transformed(figure.dpi_scale_trans.inverted())
            assert box.x0 >= -0.01
            assert box.x1 <= width + 0.01
