"""Patches: exact cuts, honest padding, and draws that are balanced and repeatable."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedgin.data.prepare import PreparedCase
from fedgin.data.sampling import PatchDraw, PatchSampler


def make_case(
    shape: tuple[int, int, int], classes: dict[int, list[tuple[int, int, int]]], *, seed: int = 0
) -> PreparedCase:
    """A case of noise with the voxels listed by class."""
    label = np.zeros(shape, np.uint8)
    for index, places in classes.items():
        for place in places:
            label[place] = index
    foreground = [(index, *place) for index, places in classes.items() for place in places]
    return PreparedCase(
        name=f"case-{seed}",
        patient=f"patient-{seed}",
        site="a",
        modality="CT",
        image=np.random.default_rng(seed).standard_normal(shape).astype(np.float16),
        label=label,
        foreground=np.array(foreground, dtype=np.int32).reshape(-1, 4),
        spacing=(1.0, 1.0, 1.0),
    )


CASES = [
    make_case((9, 20, 24), {1: [(4, 10, 12), (0, 0, 0), (8, 19, 23)], 2: [(2, 3, 21)]}, seed=1),
    make_case((4, 6, 30), {2: [(3, 5, 29), (0, 2, 4)]}, seed=2),
    make_case((1, 5, 5), {}, seed=3),
]


def sampler(
    patch_size: tuple[int, ...], fraction: float = 0.5, cases: list[PreparedCase] | None = None
) -> PatchSampler:
    return PatchSampler(
        CASES if cases is None else cases, patch_size=patch_size, foreground_fraction=fraction
    )


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def cut_by_hand(
    case: PreparedCase, start: tuple[int, int, int], patch: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The patch voxel by voxel; outside, the smallest value met inside and background."""
    image, label = np.full(patch, np.nan), np.zeros(patch, np.uint8)
    for offset in np.ndindex(patch):
        place = tuple(int(s + o) for s, o in zip(start, offset, strict=True))
        if all(0 <= p < size for p, size in zip(place, case.image.shape, strict=True)):
            image[offset], label[offset] = case.image[place], case.label[place]
    image[np.isnan(image)] = np.nanmin(image)
    return image, label


@pytest.mark.parametrize(
    "patch_size", [(5, 8), (4, 5), (32, 7), (3, 5, 8), (9, 20, 24), (6, 8, 40)]
)
def test_patches_are_the_voxels_of_the_volume(patch_size: tuple[int, ...]) -> None:
    source = sampler(patch_size)
    draws = source.draw(40, generator=generator())
    images, labels = source.cut(draws)
    assert images.shape == labels.shape == (40, 1, *patch_size)
    assert (images.dtype, labels.dtype) == (torch.float32, torch.uint8)
    assert {draw.case for draw in draws} == {0, 1, 2}
    patch = patch_size if len(patch_size) == 3 else (1, *patch_size)
    for number, draw in enumerate(draws):
        image, label = cut_by_hand(CASES[draw.case], draw.start, patch)  # type: ignore[arg-type]
        np.testing.assert_array_equal(images[number, 0].numpy().reshape(patch), image)
        np.testing.assert_array_equal(labels[number, 0].numpy().reshape(patch), label)


def test_a_patch_may_be_cut_anywhere_at_the_border() -> None:
    source = sampler((4, 6, 8))
    for start in [(-3, -5, -7), (8, 19, 23), (-2, 17, 3), (7, -1, 20)]:
        images, labels = source.cut([PatchDraw(case=0, start=start)])
        image, label = cut_by_hand(CASES[0], start, (4, 6, 8))
        np.testing.assert_array_equal(images[0, 0], image)
        np.testing.assert_array_equal(labels[0, 0], label)


def test_patches_lie_inside_wherever_the_volume_is_large_enough() -> None:
    patch = (3, 8, 25)
    for draw in sampler(patch).draw(300, generator=generator()):
        shape = CASES[draw.case].image.shape
        for first, size, limit in zip(draw.start, patch, shape, strict=True):
            if limit >= size:
                assert 0 <= first <= limit - size
            else:
                assert first == -((size - limit) // 2)


def test_a_small_volume_sits_whole_in_the_middle_of_the_patch() -> None:
    case = make_case((3, 4, 6), {1: [(0, 0, 0)]})
    source = sampler((7, 10, 6), cases=[case])
    images, labels = source.cut(source.draw(1, generator=generator()))
    expected = np.full((7, 10, 6), case.image.min())
    expected[2:5, 3:7] = case.image
    np.testing.assert_array_equal(images[0, 0], expected)
    assert labels.sum() == 1
    assert labels[0, 0, 2, 3, 0] == 1


# ---------------------------------------------------------------- what is drawn


@pytest.mark.parametrize("patch_size", [(4, 4), (5, 7), (16, 16), (2, 4, 4), (5, 7, 3), (1, 1, 1)])
def test_foreground_patches_show_a_structure(patch_size: tuple[int, ...]) -> None:
    source = sampler(patch_size, fraction=1.0, cases=CASES[:2])
    _, labels = source.cut(source.draw(300, generator=generator()))
    assert bool((labels > 0).flatten(1).any(dim=1).all())


def test_structures_are_seen_off_centre_too() -> None:
    case = make_case((1, 64, 64), {1: [(0, 32, 32)]})
    source = sampler((16, 16), fraction=1.0, cases=[case])
    _, labels = source.cut(source.draw(400, generator=generator()))
    rows = {int(row) for row in torch.nonzero(labels)[:, 2]}
    assert rows == set(range(4, 13))  # the middle half


def test_classes_are_drawn_alike_however_rare() -> None:
    common = [(0, y, x) for y in range(20) for x in range(20)]
    case = make_case((1, 100, 100), {1: common, 2: [(0, 90, 90)], 3: [(0, 90, 10)]})
    source = sampler((4, 4), fraction=1.0, cases=[case])
    n = 1800
    _, labels = source.cut(source.draw(n, generator=generator()))
    deviation = np.sqrt(n * (1 / 3) * (2 / 3))
    for index in (1, 2, 3):
        seen = int((labels == index).flatten(1).any(dim=1).sum())
        assert abs(seen - n / 3) < 4 * deviation


def test_patients_are_drawn_alike_whatever_their_size() -> None:
    draws = sampler((4, 4)).draw(1800, generator=generator())
    counts = np.bincount([draw.case for draw in draws], minlength=3)
    assert np.abs(counts - 600).max() < 4 * np.sqrt(1800 * 2 / 9)


@pytest.mark.parametrize("fraction", [0.0, 0.3])
def test_the_share_of_foreground_patches_is_the_one_asked_for(fraction: float) -> None:
    # One voxel of 200 x 200: a patch of 4 x 4 that lies anywhere shows it once in 2500 times.
    case = make_case((1, 200, 200), {1: [(0, 100, 100)]})
    source = sampler((4, 4), fraction=fraction, cases=[case])
    n = 2000
    _, labels = source.cut(source.draw(n, generator=generator()))
    share = float((labels > 0).flatten(1).any(dim=1).float().mean())
    assert abs(share - fraction) < 4 * np.sqrt(0.3 * 0.7 / n) + 1 / 2500


def test_other_patches_lie_anywhere() -> None:
    case = make_case((10, 40, 40), {})
    draws = sampler((8, 8), fraction=1.0, cases=[case]).draw(3000, generator=generator())
    starts = np.array([draw.start for draw in draws])
    assert set(starts[:, 0]) == set(range(10))
    assert set(starts[:, 1]) == set(starts[:, 2]) == set(range(33))


def test_the_same_generator_draws_the_same_patches() -> None:
    source = sampler((4, 6))
    one = source.draw(50, generator=generator(5))
    assert source.draw(50, generator=generator(5)) == one
    assert sampler((4, 6)).draw(50, generator=generator(5)) == one
    assert source.draw(50, generator=generator(6)) != one
    rng = generator(5)
    assert source.draw(20, generator=rng) + source.draw(30, generator=rng) == one


def test_sampling_from_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one case"):
        sampler((4, 4), cases=[])
