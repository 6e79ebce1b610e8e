"""What a case counts as, against the voxels themselves."""

from __future__ import annotations

import numpy as np
import pytest
from made_cases import ABDOMEN, label_map, made_pair

from fedgin.data.volume import LabelledVolume, Volume
from fedgin.fingerprint.bins import (
    CT_INTENSITY,
    MR_INTENSITY,
    SIZE,
    SPACING,
    VOLUME_ML,
    VOTES,
    Bins,
    bins_of,
    bins_version,
)
from fedgin.fingerprint.case_facts import case_facts, intensity_votes, to_votes
from fedgin.fingerprint.percentiles import percentile


def the_bin(bins: Bins, counts: np.ndarray) -> tuple[float, float]:
    (index,) = np.flatnonzero(counts)
    assert counts[index] == 1
    return bins.edges[index], bins.edges[index + 1]


def test_spacing_size_and_volumes_stand_in_the_bin_that_holds_them() -> None:
    # Axes that run to the front, to the left and to the feet, in another order than x, y, z.
    affine = np.array([[0, -0.8, 0, 9], [2.5, 0, 0, 9], [0, 0, -5.0, 9], [0, 0, 0, 1.0]])
    image = np.random.default_rng(0).normal(60, 20, (30, 50, 6)).astype(np.float32)
    label = np.zeros(image.shape, np.int16)
    label[:10, :10, :3] = 1
    pair = LabelledVolume(Volume(image, affine), Volume(label, affine))
    labels = label_map(names=("liver", "spleen"))
    counts = case_facts(pair, patient="p", modality="CT", label_map=labels, task=ABDOMEN).counts
    true = {"x": (0.8, 50), "y": (2.5, 30), "z": (5.0, 6)}
    for axis, (spacing, voxels) in true.items():
        low, high = the_bin(SPACING, counts[f"spacing_{axis}"])
        assert low <= spacing < high
        low, high = the_bin(SIZE, counts[f"size_{axis}"])
        assert low <= spacing * voxels < high
    low, high = the_bin(VOLUME_ML, counts["volume_liver"])
    assert low <= 300 * 0.8 * 2.5 * 5 / 1000 < high
    # Annotated and absent is 0 ml; not annotated is nothing.
    assert the_bin(VOLUME_ML, counts["volume_spleen"])[0] == 0
    assert counts["volume_pancreas"].sum() == 0


@pytest.mark.parametrize("share", [0.005, 0.05, 0.5, 0.95, 0.995])
def test_percentiles_of_ct_are_numpy_s_to_a_bin_s_width(share: float) -> None:
    values = np.random.default_rng(3).normal(70, 45, 40_000)
    image = values.reshape(40, 40, 25)
    counts = intensity_votes(image, np.ones(image.shape, bool), modality="CT")
    assert counts.sum() == VOTES
    found = percentile(counts.tolist(), CT_INTENSITY, share)
    assert found == pytest.approx(np.percentile(values, 100 * share), abs=8.0)


def test_ranks_of_mr_do_not_depend_on_its_scale() -> None:
    image = np.random.default_rng(4).gamma(2.0, 50, (30, 30, 20))
    foreground = image > np.percentile(image, 60)
    counts = intensity_votes(image, foreground, modality="MR")
    assert np.array_equal(counts, intensity_votes(image * 7.5, foreground, modality="MR"))
    assert counts.sum() == VOTES
    # All of the foreground is the upper 40 %: its median lies at the 80th percentile.
    assert percentile(counts.tolist(), MR_INTENSITY, 0.5) == pytest.approx(80, abs=5)
    assert percentile(counts.tolist(), MR_INTENSITY, 0.001) == pytest.approx(60, abs=5)


def test_votes_tell_every_running_share_to_half_a_vote() -> None:
    generator = np.random.default_rng(5)
    for _ in range(50):
        counts = generator.integers(0, 10 ** int(generator.integers(1, 8)), 60)
        counts[generator.random(60) < 0.5] = 0
        counts[0] += 1
        votes = to_votes(counts)
        assert votes.min() >= 0
        assert votes.sum() == VOTES
        exact = VOTES * np.cumsum(counts) / counts.sum()
        assert np.abs(np.cumsum(votes) - exact).max() <= 0.5 + 1e-9
    assert to_votes(np.zeros(9, np.int64)).sum() == 0


def test_a_case_without_structures_has_no_intensities() -> None:
    pair = made_pair(1)
    empty = LabelledVolume(pair.image, Volume(np.zeros_like(pair.label.array), pair.label.affine))
    counts = case_facts(
        empty, patient="p", modality="CT", label_map=label_map(), task=ABDOMEN
    ).counts
    assert counts["intensity"].sum() == 0
    assert all(the_bin(VOLUME_ML, counts[f"volume_{name}"])[0] == 0 for name in ABDOMEN.class_names)


def test_values_beyond_all_edges_stand_in_the_outermost_bins() -> None:
    values = np.array([-5000.0, -1024.0, 2047.9, 2048.0, 1e9])
    assert CT_INTENSITY.index(values).tolist() == [0, 0, 383, 383, 383]


def test_edges_rise_and_their_version_is_what_it_was() -> None:
    for modality in ("CT", "MR"):
        for bins in bins_of(modality, ABDOMEN).values():
            assert (np.diff(bins.edges) > 0).all()
    # A change of any edge must change this, and then sites of other versions are refused.
    assert bins_version() == "3d2d9c77a34a009b291c24870d740cf23e9c2173485942500a8f2a9c01b4bcc3"
