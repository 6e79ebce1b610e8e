"""Geometric augmentation: images and labels move alike, by the positions that the draw says."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from fedgin.augment.geometric import Geometric, GeometricDraw

STILL = {"rotation": 0.0, "scale": 0.0, "elastic": 0.0}
SHAPES = {"2d": (4, 1, 24, 33), "3d": (2, 1, 10, 14, 17)}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(shape: tuple[int, ...], seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randn(*shape, generator=generator(seed))
    labels = torch.randint(0, 7, shape, generator=generator(seed + 1), dtype=torch.uint8)
    return images, labels


def smooth(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    array = np.random.default_rng(seed).normal(size=shape)
    return ndimage.gaussian_filter(array, 2).astype(np.float32)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * float((first & second).sum()) / float(first.sum() + second.sum())


def rotation_2d(degrees: float) -> np.ndarray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s], [s, c]])


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_zero_ranges_are_the_identity(shape: tuple[int, ...]) -> None:
    images, labels = noise(shape)
    geometric = Geometric(**STILL)
    out, classes = geometric.apply(images, labels, geometric.draw(shape, generator=generator()))
    np.testing.assert_allclose(out.numpy(), images.numpy(), atol=1e-4)
    assert torch.equal(classes, labels)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_label_values_are_never_invented(shape: tuple[int, ...]) -> None:
    images, _ = noise(shape)
    values = torch.tensor([0, 3, 5, 200], dtype=torch.uint8)
    labels = values[torch.randint(0, 4, shape, generator=generator(3))]
    geometric = Geometric(mirror_axes=(0, 1))
    for seed in range(5):
        draw = geometric.draw(shape, generator=generator(seed))
        _, classes = geometric.apply(images, labels, draw)
        assert classes.dtype == labels.dtype
        assert set(classes.unique().tolist()) <= {0, 3, 5, 200}


@pytest.mark.parametrize("space", [(64, 80), (32, 40, 48)], ids=["2d", "3d"])
def test_the_label_deforms_with_the_image(space: tuple[int, ...]) -> None:
    axes = np.indices(space)
    centre = np.array(space).reshape(-1, *[1] * len(space)) * 0.45
    ball = ((axes - centre) ** 2).sum(axis=0) <= (0.3 * min(space)) ** 2
    shape = (4, 1, *space)
    labels = torch.from_numpy(np.broadcast_to(ball, shape).astype(np.uint8).copy())
    geometric = Geometric(mirror_axes=(0, 1))
    for seed in range(4):
        draw = geometric.draw(shape, generator=generator(seed))
        images, classes = geometric.apply(labels.float(), labels, draw)
        for image, label in zip(images.numpy() > 0.5, classes.numpy() == 1, strict=True):
            assert dice(image, label) > 0.95
            assert dice(label[0], ball) < 0.999  # it has moved


@pytest.mark.parametrize(
    "matrix",
    [rotation_2d(12), rotation_2d(-40) / 1.2, np.diag([1.0, -1.0]), np.array([[1, 0.3], [0, 1.1]])],
    ids=["rotation", "rotation and scale", "mirror", "shear"],
)
def test_a_known_matrix_moves_2d_like_scipy(matrix: np.ndarray) -> None:
    check_against_scipy(smooth((24, 33)), matrix)


def test_a_known_matrix_moves_3d_like_scipy() -> None:
    matrix = np.eye(3)
    matrix[1:, 1:] = rotation_2d(25)
    matrix = matrix @ np.diag([0.9, 1.1, 1.0])
    matrix[0, 2] = 0.2
    check_against_scipy(smooth((12, 15, 20)), matrix)


def check_against_scipy(image: np.ndarray, matrix: np.ndarray) -> None:
    dims = image.ndim
    label = (image > np.median(image)).astype(np.uint8)
    draw = GeometricDraw(
        matrix=torch.tensor(matrix, dtype=torch.float32)[None],
        displacement=torch.zeros(1, dims, *[5] * dims),
    )
    out, classes = Geometric().apply(
        torch.from_numpy(image)[None, None], torch.from_numpy(label)[None, None], draw
    )
    centre = (np.array(image.shape) - 1) / 2
    where = {"matrix": matrix, "offset": centre - matrix @ centre, "mode": "nearest"}
    expected = ndimage.affine_transform(image, order=1, **where)
    np.testing.assert_allclose(out[0, 0].numpy(), expected, atol=1e-4)
    nearest = ndimage.affine_transform(label, order=0, **where)
    assert (classes[0, 0].numpy() != nearest).mean() < 1e-2


def test_a_constant_displacement_shifts_by_that_many_voxels() -> None:
    image = smooth((20, 30))
    displacement = torch.zeros(1, 2, 5, 5)
    displacement[:, 0], displacement[:, 1] = 2.5, -4.0
    draw = GeometricDraw(matrix=torch.eye(2)[None], displacement=displacement)
    tensor = torch.from_numpy(image)[None, None]
    out, _ = Geometric().apply(tensor, torch.zeros_like(tensor, dtype=torch.uint8), draw)
    expected = ndimage.shift(image, (-2.5, 4.0), order=1, mode="nearest")
    np.testing.assert_allclose(out[0, 0].numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(64, 1, 7, 9), (64, 1, 4, 5, 6)], ids=["2d", "3d"])
@pytest.mark.parametrize("axis", [0, 1])
def test_mirroring_flips_the_allowed_axis_only(shape: tuple[int, ...], axis: int) -> None:
    images, labels = noise(shape)
    geometric = Geometric(**STILL, mirror_axes=(axis,))
    out, classes = geometric.apply(images, labels, geometric.draw(shape, generator=generator()))
    mirrored = images.flip(axis + 2)
    stayed = [torch.allclose(a, b, atol=1e-4) for a, b in zip(out, images, strict=True)]
    flipped = [torch.allclose(a, b, atol=1e-4) for a, b in zip(out, mirrored, strict=True)]
    assert all(a != b for a, b in zip(stayed, flipped, strict=True))
    assert 12 <= sum(flipped) <= 52
    for number, flip in enumerate(flipped):
        assert torch.equal(
            classes[number], labels.flip(axis + 2)[number] if flip else labels[number]
        )


@pytest.mark.parametrize("dims", [2, 3])
def test_rotation_and_scale_stay_in_their_ranges_and_fill_them(dims: int) -> None:
    geometric = Geometric(rotation=15.0, scale=0.15)
    shape = (2000, 1, *[4] * dims)
    matrix = geometric.draw(shape, generator=generator(5)).matrix.double().numpy()
    factor = np.abs(np.linalg.det(matrix)) ** (-1 / dims)
    assert factor.max() <= 1.15 + 1e-5
    assert factor.min() >= 1 / 1.15 - 1e-5
    assert factor.max() > 1.14
    assert factor.min() < 1 / 1.14
    turn = matrix * factor[:, None, None]
    np.testing.assert_allclose(
        turn @ turn.transpose(0, 2, 1), np.broadcast_to(np.eye(dims), turn.shape), atol=1e-5
    )
    np.testing.assert_allclose(np.linalg.det(turn), 1, atol=1e-5)
    if dims == 2:
        angle = np.degrees(np.arctan2(turn[:, 1, 0], turn[:, 0, 0]))
        assert 14.5 < np.abs(angle).max() <= 15 + 1e-3
        assert abs(angle.mean()) < 5 * 15 / np.sqrt(3 * 2000)


def test_the_displacement_has_the_standard_deviation_asked_for() -> None:
    displacement = Geometric(elastic=2.0).draw((500, 1, 8, 8), generator=generator(6)).displacement
    assert displacement.numel() == 500 * 2 * 25
    assert abs(float(displacement.std()) / 2 - 1) < 5 / math.sqrt(2 * displacement.numel())


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_same_seed_gives_the_same_result_and_samples_differ(shape: tuple[int, ...]) -> None:
    images, labels = noise(shape)
    images, labels = images[:1].expand(shape).clone(), labels[:1].expand(shape).clone()
    geometric = Geometric()
    first = geometric.apply(images, labels, geometric.draw(shape, generator=generator(7)))
    again = geometric.apply(images, labels, geometric.draw(shape, generator=generator(7)))
    other = geometric.apply(images, labels, geometric.draw(shape, generator=generator(8)))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0][0], first[0][1])


def test_the_border_continues_instead_of_bringing_in_zeros() -> None:
    images = torch.full((8, 1, 20, 20), 5.0)
    labels = torch.ones(8, 1, 20, 20, dtype=torch.uint8)
    geometric = Geometric(rotation=45, scale=0.5, elastic=5)
    out, classes = geometric.apply(
        images, labels, geometric.draw(images.shape, generator=generator(9))
    )
    np.testing.assert_allclose(out.numpy(), 5.0, rtol=1e-5)
    assert (classes == 1).all()


def test_the_dtype_is_kept_and_the_input_untouched() -> None:
    images, labels = noise((2, 1, 16, 16))
    images = images.half()
    kept, kept_labels = images.clone(), labels.clone()
    geometric = Geometric()
    out, _ = geometric.apply(images, labels, geometric.draw(images.shape, generator=generator()))
    assert out.dtype == torch.float16
    assert torch.equal(images, kept)
    assert torch.equal(labels, kept_labels)


@pytest.mark.parametrize("spacing", [(3.0, 1.0), (5.0, 1.5, 0.8), (2.0, 2.0, 2.0)], ids=str)
def test_a_turn_is_one_in_mm_whatever_the_voxels(spacing: tuple[float, ...]) -> None:
    dims = len(spacing)
    shape = (200, 1, *[8] * dims)
    draw = Geometric(spacing=spacing).draw(shape, generator=generator(2))
    cubes = Geometric().draw(shape, generator=generator(2))
    edges = np.diag(spacing)
    for matrix, turn in zip(draw.matrix.double(), cubes.matrix.double(), strict=True):
        in_mm = edges @ matrix.numpy() @ np.linalg.inv(edges)
        np.testing.assert_allclose(in_mm, turn.numpy(), atol=1e-5)
        square = in_mm @ in_mm.T
        np.testing.assert_allclose(square, square[0, 0] * np.eye(dims), atol=1e-5)
    if len(set(spacing)) == 1:
        assert torch.equal(draw.matrix, cubes.matrix)
    assert torch.equal(draw.displacement, cubes.displacement)
