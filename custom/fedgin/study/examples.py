"""Pictures for the report: predictions side by side, and what each augmentation does to a slice."""

from __future__ import annotations

import functools
import io
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from fedgin.augment.presets import PRESETS
from fedgin.augment.views import build_views, make_views
from fedgin.data.prepare import PreparedCase, PreparedSite
from fedgin.engine.device import choose_device
from fedgin.engine.evaluator import segment
from fedgin.engine.weights import set_weights
from fedgin.errors import FedginError
from fedgin.files import write_atomically
from fedgin.networks import build_network
from fedgin.seeding import torch_generator
from fedgin.study.definition import StudyDefinition
from fedgin.study.outcome import MODEL_FILE
from fedgin.study.plan import PlannedRun
from fedgin.study.pooled_run import load_model

logger = logging.getLogger(__name__)

EXAMPLES_FILE = "examples.npz"
COMPARED = ("none", "gin")
STRIP_BATCH = 4
# Where the pictures' models come from: the first regime that the study has.
_PREFERRED = ("local", "leave-one-modality-out", "federated", "centralized")


def save_examples(definition: StudyDefinition, sites: Mapping[str, PreparedSite]) -> None:
    """Writes examples.npz: one slice per modality, with predictions and augmented copies.

    The slice is the one with most of the structures of the first test patient. The models are
    those that never saw the slice's modality, where the study has such.

    Args:
        definition: The study, run.
        sites: Sites prepared with the study's settings, by name.
    """
    arrays: dict[str, Any] = {}
    for modality in ("CT", "MR"):
        cases = [
            case
            for site in definition.training_sites
            if site.config.modality == modality and site.name in sites
            for case in sites[site.name].splits["test"]
        ]
        if not cases:
            continue
        found = {**_predictions(definition, cases[0]), **_strip(definition, cases)}
        arrays |= {f"{modality}/{name}": value for name, value in found.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomically(definition.folder / EXAMPLES_FILE, buffer.getvalue())


def shown(array: np.ndarray) -> np.ndarray:
    """Turns a slice (Y, X) into the usual view: front at the top, patient's right on the left."""
    return np.ascontiguousarray(array[::-1, ::-1])


def _fullest(case: PreparedCase) -> int:
    return int(np.count_nonzero(np.asarray(case.label), axis=(1, 2)).argmax())


def _predictions(definition: StudyDefinition, case: PreparedCase) -> dict[str, Any]:
    index = _fullest(case)
    found: dict[str, Any] = {
        "image": shown(np.asarray(case.image[index], dtype=np.float32)),
        "truth": shown(np.asarray(case.label[index])),
    }
    runs = _models(definition, case.modality)
    if runs is None:
        return found
    try:
        found |= {name: shown(_predict(definition, run, case)[index]) for name, run in runs.items()}
    except FedginError as error:  # pictures are no reason to go without a report
        logger.warning("no example of %s: %s", case.modality, error)
        return found
    run = runs[COMPARED[0]]
    found["caption"] = np.array(
        f"{run.regime}, trained on {', '.join(run.train_sites)}; patient {case.code} of {case.site}"
    )
    return found


def _models(definition: StudyDefinition, modality: str) -> dict[str, PlannedRun] | None:
    """Finds the finished runs of one regime and group, with each of the compared augmentations."""
    groups: dict[tuple[str, str, tuple[str, ...]], dict[str, PlannedRun]] = {}
    for run in definition.runs:
        done = (definition.run_folder(run) / MODEL_FILE).is_file()
        if done and run.augmentation in COMPARED and run.seed == definition.seeds[0]:
            group = (run.regime, run.algorithm, run.train_sites)
            groups.setdefault(group, {})[run.augmentation] = run
    whole = {key: runs for key, runs in groups.items() if len(runs) == len(COMPARED)}

    def rank(key: tuple[str, str, tuple[str, ...]]) -> tuple[bool, int]:
        regime, _, trained = key
        saw = any(definition.modality_of[site] == modality for site in trained)
        place = _PREFERRED.index(regime) if regime in _PREFERRED else len(_PREFERRED)
        return saw, place

    return whole[min(whole, key=rank)] if whole else None


def _predict(definition: StudyDefinition, run: PlannedRun, case: PreparedCase) -> np.ndarray:
    settings = definition.settings(run)
    device = choose_device(definition.training_sites[0].config.device)
    network = build_network(settings).to(device)
    set_weights(network, load_model(definition.run_folder(run) / MODEL_FILE))
    return segment(network, case.image, settings=settings, device=device)


def _strip(definition: StudyDefinition, cases: list[PreparedCase]) -> dict[str, np.ndarray]:
    """Applies every augmentation of the study to the first case's slice.

    Some augmentations mix images of a batch, so that slices of other patients stand beside it.
    """
    shape = cases[0].image.shape[1:]
    batch = [case for case in cases if case.image.shape[1:] == shape][:STRIP_BATCH]
    slices = [np.asarray(case.image[_fullest(case)], dtype=np.float32) for case in batch]
    images = torch.from_numpy(np.stack(slices))[:, None]
    used = {run.augmentation for run in definition.runs}
    found = {}
    for name in (name for name in PRESETS if name in used):
        run = PlannedRun("local", name, definition.seeds[0], ())
        views = build_views(_always(definition, run))
        generator = functools.partial(torch_generator, "strip", name)
        result = make_views(views, images, generator=generator)
        # The last view of the first image: Dual-Normalization's second style is the other one.
        found[f"strip/{name}"] = shown(result[-len(images)].numpy()[0])
    return found


def _always(definition: StudyDefinition, run: PlannedRun) -> Any:
    """Returns a run's settings with every augmentation applied to every image."""
    training = definition.settings(run).training
    return training.model_copy(
        update={
            "gin": training.gin.model_copy(update={"probability": 1.0}),
            "bezier": training.bezier.model_copy(update={"probability": 1.0}),
            "randconv": training.randconv.model_copy(update={"identity_probability": 0.0}),
        }
    )
