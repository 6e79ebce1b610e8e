"""Contrast, noise and bias of the rendered images against published figures."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from fedgin.data.phantom import PHANTOM_LABELS, PROTOCOLS, phantom_case
from fedgin.data.phantom.ct_values import CT_VALUES
from fedgin.data.phantom.fields import RandomField
from fedgin.data.phantom.grid import Grid
from fedgin.data.phantom.mr import bias_field
from fedgin.data.phantom.mr_signal import signal, steady_state
from fedgin.data.phantom.mr_values import MR_SEQUENCES, MR_TISSUES, Relaxation, Sequence


@cache
def levels(task: str, modality: str, protocol: str, index: int) -> dict[str, float]:
    """Median intensity inside each eroded label."""
    case = phantom_case(task=task, modality=modality, protocol=protocol, seed=3, index=index)
    out = {}
    for name, value in PHANTOM_LABELS[task].items():
        mask = case.label.array == value
        core = ndimage.binary_erosion(mask, iterations=2 if mask.sum() > 4000 else 1)
        out[name] = float(np.median(case.image.array[core]))
    return out


@pytest.mark.parametrize(
    ("task", "protocol", "name", "low", "high"),
    [
        ("abdomen", "native", "liver", 40, 75),
        ("abdomen", "native", "spleen", 38, 58),
        ("abdomen", "native", "kidney_left", 22, 42),
        ("abdomen", "native", "gallbladder", -8, 24),
        ("abdomen", "portal-venous", "liver", 80, 135),
        ("abdomen", "portal-venous", "spleen", 95, 148),
        ("abdomen", "portal-venous", "kidney_right", 120, 235),
        ("abdomen", "arterial", "liver", 50, 90),
        ("abdomen", "arterial", "pancreas", 65, 140),
        ("heart", "arterial", "left_ventricle", 240, 460),
        ("heart", "arterial", "myocardium", 75, 145),
        ("heart", "portal-venous", "left_atrium", 110, 190),
    ],
)
def test_ct_attenuation_is_in_the_published_range(
    task: str, protocol: str, name: str, low: float, high: float
) -> None:
    assert low <= levels(task, "CT", protocol, 0)[name] <= high


def test_patients_scatter_around_the_table() -> None:
    row = CT_VALUES["portal-venous"]["liver"]
    found = [levels("abdomen", "CT", "portal-venous", index)["liver"] for index in range(4)]
    assert abs(np.mean(found) - row.mean) < 2 * row.between
    assert 1 < np.std(found) < 3 * row.between


def test_chambers_and_muscle_merge_in_native_ct_but_not_in_bssfp() -> None:
    ct = levels("heart", "CT", "native", 1)
    mr = levels("heart", "MR", "bssfp", 1)
    assert abs(ct["left_ventricle"] - ct["myocardium"]) < 15
    assert mr["left_ventricle"] > 1.5 * mr["myocardium"]


def test_tissue_orders_of_mr_differ_from_ct() -> None:
    t1 = {name: signal(name, row, MR_SEQUENCES["t1"]) for name, row in MR_TISSUES.items()}
    t2 = {n: signal(n, row, MR_SEQUENCES["t2-fat-suppressed"]) for n, row in MR_TISSUES.items()}
    hu = CT_VALUES["portal-venous"]
    assert t1["fat"] > 2 * t1["muscle"]
    assert hu["fat"].mean < hu["muscle"].mean
    assert t2["bile"] > 4 * t2["liver"]
    assert hu["bile"].mean < hu["liver"].mean
    assert t2["fat"] < t2["liver"]
    assert t2["spleen"] > 1.5 * t2["liver"]
    assert t1["liver"] > t1["spleen"]
    assert t1["bone"] < t1["muscle"]
    assert t2["blood_left"] < t2["myocardium"]


def test_bile_and_liver_swap_between_ct_and_mr_images() -> None:
    ct = levels("abdomen", "CT", "portal-venous", 0)
    mr = levels("abdomen", "MR", "t2-fat-suppressed", 0)
    assert ct["gallbladder"] < ct["liver"]
    assert mr["gallbladder"] > 2 * mr["liver"]


def test_bssfp_nears_the_known_limit_for_short_repetition() -> None:
    """For TR well below T1 and T2 the signal is M0 sin a / (1 + cos a + (1 - cos a) T1/T2)."""
    angle = np.radians(60)
    limit = np.sin(angle) / (1 + np.cos(angle) + (1 - np.cos(angle)) * 4)
    got = steady_state(Relaxation(1000, 250, 1.0), Sequence("bssfp", 0.02, 0.0, flip=60))
    assert got == pytest.approx(limit, rel=1e-3)


def test_spoiled_signal_peaks_at_the_ernst_angle() -> None:
    tissue, ernst = Relaxation(600, 50, 1.0), np.degrees(np.arccos(np.exp(-140 / 600)))
    peak = steady_state(tissue, Sequence("spoiled", 140, 4, flip=float(ernst)))
    for flip in (ernst - 5, ernst + 5):
        assert steady_state(tissue, Sequence("spoiled", 140, 4, flip=float(flip))) < peak


def test_bias_spans_thirty_per_cent_smoothly() -> None:
    grid = Grid((60, 60, 20), np.diag([5.0, 5.0, 8.0, 1.0]))
    bias = bias_field(grid, 0.30, np.random.default_rng(0))
    assert bias.min() == pytest.approx(0.85, abs=1e-3)
    assert bias.max() == pytest.approx(1.15, abs=1e-3)
    assert np.abs(np.diff(bias, axis=0)).max() < 0.02


@pytest.mark.parametrize("protocol", PROTOCOLS["MR"])
def test_noise_in_air_is_rayleigh(protocol: str) -> None:
    """Magnitude noise without signal: mean over standard deviation is 1.913."""
    case = phantom_case(task="heart", modality="MR", protocol=protocol, seed=3, index=1)
    image, affine = case.image.array, case.image.affine
    # The two front corners of the field of view hold air in a patient who lies on the back.
    index = np.indices(image.shape).reshape(3, -1)
    x, y, _ = affine[:3, :3] @ index + affine[:3, 3:]
    x, y = x - x.mean(), y - y.mean()
    corner = (np.abs(x) > 0.8 * np.abs(x).max()) & (y > 0.75 * y.max())
    air = image.reshape(-1)[corner]
    assert air.size > 500
    assert image.min() >= 0
    assert air.mean() > 0
    assert air.mean() / air.std() == pytest.approx(1.913, abs=0.15)


def test_ct_is_whole_hu_within_the_scanner_range() -> None:
    case = phantom_case(task="heart", modality="CT", protocol="arterial", seed=3, index=0)
    image = case.image.array
    assert np.array_equal(image, np.rint(image))
    assert image.min() >= -1024
    assert image.max() <= 3071
    assert abs(np.median(image[image < -950]) + 1000) < 15


def test_random_field_has_unit_variance_and_follows_the_world() -> None:
    field = RandomField.draw(np.random.default_rng(1), (20, 40), count=64)
    grid = Grid((40, 40, 40), np.diag([4.0, 4.0, 4.0, 1.0]))
    values = field.on_grid(grid)
    assert 0.7 < values.std() < 1.3
    place = grid.affine[:3, :3] @ np.array([3, 17, 29]) + grid.affine[:3, 3]
    direct = np.sqrt(2 / 64) * np.cos(field.waves @ place + field.phases).sum()
    assert values[3, 17, 29] == pytest.approx(direct, abs=1e-3)
