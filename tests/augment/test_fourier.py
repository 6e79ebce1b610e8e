"""Amplitude mixtures against NumPy's Fourier transform and the published centred square."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from batches import generator, random_images
from scipy import stats

from fedgin.augment.fourier import Fourier, half_width, low_frequencies

SHAPES = [(3, 1, 12, 9), (4, 2, 9, 16), (2, 1, 6, 7, 5), (3, 1, 8, 6, 10)]


def swapped_reference(own: np.ndarray, other: np.ndarray, *, beta: float) -> np.ndarray:
    """The released code's way: shift the constant term to c = n // 2, swap c - b to c + b."""
    b = int(np.floor(min(own.shape) * beta))
    amplitude = np.fft.fftshift(np.abs(np.fft.fftn(own)))
    partner = np.fft.fftshift(np.abs(np.fft.fftn(other)))
    square = tuple(slice(n // 2 - b, n // 2 + b + 1) for n in own.shape)
    amplitude[square] = partner[square]
    phase = np.angle(np.fft.fftn(own))
    return np.fft.ifftn(np.fft.ifftshift(amplitude) * np.exp(1j * phase)).real


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_mix_is_the_formula_with_numpy(shape: tuple[int, ...]) -> None:
    images = random_images(shape)
    fourier = Fourier(mode="mix")
    draw = fourier.draw(shape, generator=generator(1))
    found = fourier.apply(images, draw).numpy()
    values = images.double().numpy()
    for sample, channel in itertools.product(range(shape[0]), range(shape[1])):
        own = np.fft.fftn(values[sample, channel])
        other = np.fft.fftn(values[int(draw.partner[sample]), channel])
        share = float(draw.share[sample])
        amplitude = (1 - share) * np.abs(own) + share * np.abs(other)
        expected = np.fft.ifftn(amplitude * np.exp(1j * np.angle(own)))
        assert np.abs(expected.imag).max() < 1e-10
        np.testing.assert_allclose(found[sample, channel], expected.real, rtol=0, atol=1e-5)


@pytest.mark.parametrize("beta", [0.0, 0.01, 0.09, 0.2, 0.35, 0.49])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_swap_is_the_published_centred_square(shape: tuple[int, ...], beta: float) -> None:
    images = random_images(shape)
    fourier = Fourier(mode="swap", betas=(beta,))
    draw = fourier.draw(shape, generator=generator(2))
    found = fourier.apply(images, draw).numpy()
    values = images.double().numpy()
    for sample, channel in itertools.product(range(shape[0]), range(shape[1])):
        expected = swapped_reference(
            values[sample, channel], values[int(draw.partner[sample]), channel], beta=beta
        )
        np.testing.assert_allclose(found[sample, channel], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("mode", ["mix", "swap"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_phase_stays(shape: tuple[int, ...], mode: str) -> None:
    images = random_images(shape)
    fourier = Fourier(mode=mode, betas=(0.3,))
    found = fourier.apply(images, fourier.draw(shape, generator=generator(3)))
    axes = tuple(range(2, len(shape)))
    before = np.fft.fftn(images.double().numpy(), axes=axes)
    after = np.fft.fftn(found.double().numpy(), axes=axes)
    clear = (np.abs(before) > 1e-2) & (np.abs(after) > 1e-2)
    assert clear.mean() > 0.95
    difference = np.angle(after[clear] / before[clear])
    assert np.abs(difference).max() < 1e-2
    assert not np.allclose(np.abs(before), np.abs(after), rtol=0.1)


def test_half_width_zero_exchanges_the_size_of_the_sum_alone() -> None:
    images = random_images((2, 1, 20, 30)) + torch.tensor([2.0, -5.0]).reshape(2, 1, 1, 1)
    fourier = Fourier(mode="swap", betas=(0.01,))
    assert half_width((20, 30), beta=0.01) == 0
    found = fourier.apply(images, fourier.draw(images.shape, generator=generator(4)))
    shift = (found - images).flatten(1)
    assert (shift - shift.mean(dim=1, keepdim=True)).abs().max() < 1e-4  # else nothing changes
    means, before = found.flatten(1).mean(dim=1), images.flatten(1).mean(dim=1)
    torch.testing.assert_close(means.abs(), before.abs().flip(0), rtol=1e-4, atol=1e-4)
    assert torch.equal(means.sign(), before.sign())  # the phase keeps the sign


@pytest.mark.parametrize(
    ("space", "beta", "expected"),
    [
        ((88, 88), 0.01, 0),
        ((88, 88), 0.05, 4),
        ((88, 88), 0.09, 7),
        ((256, 100), 0.05, 5),
        ((48, 64, 64), 0.09, 4),
    ],
)
def test_the_half_width_follows_the_shortest_side(
    space: tuple[int, ...], beta: float, expected: int
) -> None:
    assert half_width(space, beta=beta) == expected


@pytest.mark.parametrize("space", [(8, 9), (9, 8), (7, 6, 8)])
def test_the_low_frequencies_are_a_square_around_zero(space: tuple[int, ...]) -> None:
    marks = low_frequencies(space, half_width=2).numpy()
    assert marks.shape == np.fft.rfftn(np.zeros(space)).shape
    for index in np.ndindex(marks.shape):
        frequencies = [np.fft.fftfreq(n)[i] * n for n, i in zip(space, index, strict=True)]
        assert marks[index] == all(abs(f) < 2.5 for f in frequencies)


def test_strength_zero_is_the_identity() -> None:
    images = random_images((4, 1, 12, 10))
    fourier = Fourier(strength=0.0)
    found = fourier.apply(images, fourier.draw(images.shape, generator=generator(5)))
    torch.testing.assert_close(found, images, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", ["mix", "swap"])
@pytest.mark.parametrize("shape", [(1, 1, 12, 10), (1, 1, 6, 5, 4)])
def test_a_batch_of_one_stays_bit_for_bit(shape: tuple[int, ...], mode: str) -> None:
    images = random_images(shape)
    fourier = Fourier(mode=mode)
    draw = fourier.draw(shape, generator=generator(6))
    assert torch.equal(fourier.apply(images, draw), images)


@pytest.mark.parametrize("mode", ["mix", "swap"])
def test_samples_change_with_their_own_partner_only(mode: str) -> None:
    images = random_images((5, 1, 12, 12))
    fourier = Fourier(mode=mode)
    draw = fourier.draw(images.shape, generator=generator(7))
    changed = images.clone()
    changed[2] = 3 * random_images((1, 12, 12), seed=9) + 5
    moved = (fourier.apply(images, draw) - fourier.apply(changed, draw)).flatten(1).abs()
    seen = {sample for sample in range(5) if moved[sample].max() > 1e-4}
    assert seen == {2, int((draw.partner == 2).nonzero())}


def test_partners_are_a_permutation_without_fixed_points_and_drawn_alike() -> None:
    source, calls = generator(8), 3000
    counts = np.zeros((4, 4))
    for _ in range(calls):
        partner = Fourier().draw((4, 1, 2, 2), generator=source).partner.tolist()
        assert sorted(partner) == [0, 1, 2, 3]
        counts[range(4), partner] += 1
    assert np.trace(counts) == 0
    for row, own in zip(counts, range(4), strict=True):
        assert stats.chisquare(np.delete(row, own)).pvalue > 1e-4


@pytest.mark.parametrize("strength", [1.0, 0.3])
def test_lambda_is_uniform_from_zero_to_the_strength(strength: float) -> None:
    share = Fourier(strength=strength).draw((20_000, 1, 2, 2), generator=generator(9)).share
    assert share.min() >= 0
    assert share.max() <= strength
    assert stats.kstest(share.numpy() / strength, "uniform").pvalue > 1e-4


def test_beta_is_drawn_once_per_call_and_alike() -> None:
    source = generator(10)
    betas = [Fourier(mode="swap").draw((2, 1, 4, 4), generator=source).beta for _ in range(1500)]
    counts = [betas.count(beta) for beta in (0.01, 0.05, 0.09)]
    assert sum(counts) == 1500
    assert stats.chisquare(counts).pvalue > 1e-4
