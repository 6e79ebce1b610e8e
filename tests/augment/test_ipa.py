"""IPA against SciPy's splines and the blend of two GIN copies."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from batches import SHAPES, generator, random_images
from scipy import stats
from scipy.interpolate import BSpline

from fedgin.augment.gin import Gin
from fedgin.augment.ipa import Ipa, smooth_map, spline_basis


def basis_reference(size: int, spacing: int, count: int) -> np.ndarray:
    """SciPy's quadratic B-splines with centres at -1, 0, 1, ... spacings."""
    spline = BSpline.basis_element(np.array([-1.5, -0.5, 0.5, 1.5]), extrapolate=False)
    position = np.arange(size)[:, None] / spacing - np.arange(-1, count - 1)
    return np.nan_to_num(spline(position))


def map_reference(control: np.ndarray, space: tuple[int, ...], spacing: int) -> np.ndarray:
    """Sums over all control points, voxel by voxel, in float64."""
    bases = [
        basis_reference(size, spacing, count)
        for size, count in zip(space, control.shape, strict=True)
    ]
    field = np.zeros(space)
    for voxel in np.ndindex(space):
        weight = np.ones(())
        for basis, place in zip(bases, voxel, strict=True):
            weight = np.multiply.outer(weight, basis[place])
        field[voxel] = (weight * control).sum()
    return (field - field.min()) / (field.max() - field.min())


@pytest.mark.parametrize("spacing", [1, 3, 10, 48])
@pytest.mark.parametrize("size", [1, 2, 12, 49, 97, 121])
def test_the_basis_is_scipys_quadratic_spline(size: int, spacing: int) -> None:
    basis = spline_basis(size, spacing=spacing).numpy()
    np.testing.assert_allclose(
        basis, basis_reference(size, spacing, basis.shape[1]), rtol=0, atol=1e-5
    )
    # Enough control points: the weights of every voxel sum to 1, and each point has some weight.
    np.testing.assert_allclose(basis.sum(axis=1), 1, atol=1e-5)
    assert (basis.max(axis=0) > 0).all()


@pytest.mark.parametrize(
    ("space", "spacing"), [((20, 13), 6), ((9, 50), 48), ((7, 5, 9), 3), ((88, 88), 48)]
)
def test_the_map_is_the_spline_scaled_to_zero_and_one(space: tuple[int, ...], spacing: int) -> None:
    draw = Ipa(Gin(), spacing=spacing).draw((2, 1, *space), generator=generator(1))
    found = smooth_map(draw.control, space=space, spacing=spacing).numpy()
    assert found.shape == (2, 1, *space)
    for sample in range(2):
        expected = map_reference(draw.control[sample].double().numpy(), space, spacing)
        np.testing.assert_allclose(found[sample, 0], expected, rtol=0, atol=1e-5)
        assert found[sample].min() == 0
        assert found[sample].max() == pytest.approx(1)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_result_is_the_blend_of_two_copies(shape: tuple[int, ...]) -> None:
    images, gin = random_images(shape), Gin()
    ipa, complement = Ipa(gin, spacing=4), Ipa(gin, spacing=4, complement=True)
    draw = ipa.draw(shape, generator=generator(2))
    first = gin.apply(images, draw.first).double().numpy()
    second = gin.apply(images, draw.second).double().numpy()
    share = np.stack(
        [map_reference(c.double().numpy(), tuple(shape[2:]), 4)[None] for c in draw.control]
    )
    np.testing.assert_allclose(
        ipa.apply(images, draw).numpy(), share * first + (1 - share) * second, atol=1e-4
    )
    np.testing.assert_allclose(
        complement.apply(images, draw).numpy(), (1 - share) * first + share * second, atol=1e-4
    )


def test_the_copies_are_drawn_independently_and_the_first_as_gin_alone() -> None:
    draw = Ipa(Gin()).draw((3, 1, 8, 8), generator=generator(3))
    alone = Gin().draw((3, 1, 8, 8), generator=generator(3))
    assert torch.equal(draw.first.alpha, alone.alpha)
    assert torch.equal(draw.first.layers[2].weight, alone.layers[2].weight)
    assert not torch.equal(draw.first.alpha, draw.second.alpha)


def test_control_values_are_standard_normal_and_every_sample_has_its_own() -> None:
    draw = Ipa(Gin()).draw((500, 1, 96, 40), generator=generator(4))
    assert stats.kstest(draw.control.numpy().ravel(), "norm").pvalue > 1e-4
    assert not torch.equal(draw.control[0], draw.control[1])


def test_the_map_is_smooth_at_the_released_spacing() -> None:
    draw = Ipa(Gin()).draw((4, 1, 192, 192), generator=generator(5))
    field = smooth_map(draw.control, space=(192, 192), spacing=48)
    steps = max(float(field.diff(dim=axis).abs().max()) for axis in (2, 3))
    assert steps < 0.06  # a few times 1 / 48
    assert float(field.std()) > 0.1


def test_images_that_gin_leaves_out_stay() -> None:
    images = random_images((4, 1, 9, 9))
    ipa = Ipa(Gin(probability=0.0), spacing=4)
    draw = ipa.draw(images.shape, generator=generator(6))
    assert torch.equal(ipa.apply(images, draw), images)
