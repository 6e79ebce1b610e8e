"""One phantom case: anatomy, grid and rendering put together."""

from __future__ import annotations

import numpy as np

from fedgin.data.phantom.abdomen import ABDOMEN_LABELS, build_abdomen, draw_abdomen
from fedgin.data.phantom.chest import build_thorax, draw_thorax
from fedgin.data.phantom.ct import draw_ct, render_ct
from fedgin.data.phantom.ct_values import CT_VALUES
from fedgin.data.phantom.grid import canonical_grid, draw_grid, to_storage
from fedgin.data.phantom.heart import HEART_LABELS
from fedgin.data.phantom.mr import draw_mr, render_mr
from fedgin.data.phantom.mr_values import MR_SEQUENCES
from fedgin.data.phantom.scene import Scene
from fedgin.data.volume import LabelledVolume, Volume
from fedgin.errors import ConfigError, Problem

# Enters cache keys: raise it whenever the rendering changes.
PHANTOM_VERSION = 2

PROTOCOLS: dict[str, tuple[str, ...]] = {"CT": tuple(CT_VALUES), "MR": tuple(MR_SEQUENCES)}

PHANTOM_LABELS: dict[str, dict[str, int]] = {
    "heart": dict(HEART_LABELS),
    "abdomen": dict(ABDOMEN_LABELS),
}

# Words of the seed, so that each purpose has its own stream of random numbers.
_ANATOMY, _GRID, _RENDERING, _FIELDS = 1, 2, 3, 4


def _stream(seed: int, index: int, *words: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, index, *words]))


def _check(where: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        names = ", ".join(str(name) for name in allowed)
        raise ConfigError(
            Problem(f"phantom {where}", f"must be one of {names}", repr(value), "use one of these")
        )


def phantom_scene(*, task: str, seed: int, index: int) -> Scene:
    """The anatomy of a case, the same for every modality and protocol."""
    _check("task", task, tuple(PHANTOM_LABELS))
    for name, number in (("seed", seed), ("index", index)):
        if number < 0:
            raise ConfigError(
                Problem(f"phantom {name}", "must be 0 or more", str(number), "raise it")
            )
    word = list(PHANTOM_LABELS).index(task)
    rng, waves = _stream(seed, index, word, _ANATOMY), _stream(seed, index, word, _FIELDS)
    if task == "heart":
        return build_thorax(draw_thorax(rng), waves)
    return build_abdomen(draw_abdomen(rng), waves)


def phantom_case(
    *, task: str, modality: str, protocol: str, seed: int, index: int
) -> LabelledVolume:
    """Renders one case.

    Args:
        task: "heart" (thorax) or "abdomen".
        modality: "CT" or "MR".
        protocol: One of `PROTOCOLS` of the modality.
        seed: Seed of the cohort, 0 or more.
        index: Number of the case in the cohort, 0 or more.

    Returns:
        Image (HU for CT, arbitrary units for MR) and labels of `PHANTOM_LABELS`, on the case's
        native grid. Deterministic in the arguments; the anatomy depends on task, seed and
        index alone.

    Raises:
        ConfigError: An argument is outside its allowed values.
    """
    _check("modality", modality, tuple(PROTOCOLS))
    _check("protocol", protocol, PROTOCOLS[modality])
    scene = phantom_scene(task=task, seed=seed, index=index)
    kind = (list(PHANTOM_LABELS).index(task), list(PROTOCOLS).index(modality))
    words = (*kind, PROTOCOLS[modality].index(protocol))
    layout = draw_grid(_stream(seed, index, _GRID, *words), task=task, modality=modality)
    grid = canonical_grid(layout)
    rng = _stream(seed, index, _RENDERING, *words)
    if modality == "CT":
        image, label = render_ct(scene, grid, draw_ct(rng, protocol), protocol=protocol, rng=rng)
    else:
        image, label = render_mr(scene, grid, draw_mr(rng, protocol), rng=rng)
    stored, affine = to_storage(image, grid.affine, layout)
    stored_label, _ = to_storage(label, grid.affine, layout)
    return LabelledVolume(
        image=Volume(np.asarray(stored, np.float32), affine),
        label=Volume(np.asarray(stored_label, np.uint8), affine.copy()),
    )
