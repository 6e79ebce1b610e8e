"""One scan from reading to label map."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fedgin.data.preprocess import prepare_image
from fedgin.predict.components import keep_largest
from fedgin.predict.flags import Flag, Organ, flags_of, judge_organ
from fedgin.predict.flips import Flip
from fedgin.predict.inputs import Input
from fedgin.predict.modality import Modality, decide_modality, recognise
from fedgin.predict.model import LoadedModel
from fedgin.predict.probabilities import iter_probabilities
from fedgin.predict.restore import LabelRestorer
from fedgin.predict.scan import Scan, read_scan
from fedgin.predict.slabs import SCORE_BYTES
from fedgin.predict.uncertainty import Doubt, DoubtCounter
from fedgin.predict.volumes import measure


@dataclass(frozen=True)
class Choices:
    """How to predict.

    Attributes:
        modality: Modality of all scans as the user states it; None lets each say its own.
        flips: Members of the flip ensemble; one without a flip is no ensemble.
        largest_component: Whether only the largest piece of each structure is kept.
        shift_check: Whether to see what the network says of the image some voxels aside.
        score_bytes: Most bytes of scores at a time; see `plan_slabs`.
    """

    modality: Modality | None = None
    flips: tuple[Flip, ...] = ((),)
    largest_component: bool = False
    shift_check: bool = True
    score_bytes: int = SCORE_BYTES


@dataclass(frozen=True)
class Prediction:
    """A segmented scan.

    Attributes:
        scan: The scan, its intensities given up.
        label: Shape (X, Y, Z) in the input's own order, uint8 class indices.
        task_classes: Shape (Z, Y, X), uint8: the classes on the task's grid, not cleaned up.
        modality: "CT" or "MR".
        modality_source: "given", "header" or "recognised".
        organs: What was found of each structure.
        overall: How sure the network is of all that it found.
        flags: Warnings.
        removed: Voxels that the clean-up took away, by structure.
        seconds: Wall time.
    """

    scan: Scan
    label: np.ndarray
    task_classes: np.ndarray
    modality: Modality
    modality_source: str
    organs: tuple[Organ, ...]
    overall: Doubt
    flags: tuple[Flag, ...]
    removed: dict[str, int]
    seconds: float


def predict_case(
    model: LoadedModel,
    item: Input,
    choices: Choices,
    *,
    on_slices: Callable[[int, int], None] = lambda done, total: None,
) -> Prediction:
    """Segments a scan.

    Args:
        model: The model.
        item: The scan.
        choices: How to predict.
        on_slices: Told how many of the task's slices are done, and of how many.

    Raises:
        DataError: The scan is unreadable, breaks a rule, or its modality cannot be told.
        OutOfMemory: Not even one window fits the device.
    """
    start = time.perf_counter()
    settings, where = model.settings, str(item.path)
    scan = read_scan(item)
    recognition = recognise(scan.volume.array)
    modality, source = decide_modality(
        given=choices.modality, header=scan.modality, recognition=recognition, where=where
    )
    image, _ = prepare_image(
        where,
        scan.volume,
        modality=modality,
        spacing=settings.geometry.spacing,
        ct_window=settings.ct_window,
        mr_percentile=settings.mr_percentile,
    )
    # The task's grid has all that is still needed: a long scan's voxels are a gigabyte.
    scan = scan.without_intensities()
    label, task_classes, counter = _segment(model, image, scan, choices, on_slices)
    names = settings.task.class_names
    removed = keep_largest(label, range(1, len(names) + 1)) if choices.largest_component else {}
    sizes = measure(label, scan.affine, n_classes=settings.task.n_classes)
    organs = tuple(
        judge_organ(name, size, counter.of_class(index), alone=len(names) == 1)
        for index, (name, size) in enumerate(zip(names, sizes, strict=True), start=1)
    )
    return Prediction(
        scan=scan,
        label=label,
        task_classes=task_classes,
        modality=modality,
        modality_source=source,
        organs=organs,
        overall=counter.overall(),
        flags=flags_of(
            modality=modality,
            source=source,
            recognition=recognition,
            trained_on=model.modalities,
            organs=organs,
            overall=counter.overall(),
        ),
        removed={names[index - 1]: count for index, count in removed.items()},
        seconds=time.perf_counter() - start,
    )


def _segment(
    model: LoadedModel,
    image: np.ndarray,
    scan: Scan,
    choices: Choices,
    on_slices: Callable[[int, int], None],
) -> tuple[np.ndarray, np.ndarray, DoubtCounter]:
    restorer = LabelRestorer(shape=scan.shape, affine=scan.affine, task_shape=image.shape)
    counter = DoubtCounter(model.settings.task.n_classes)
    task_classes = np.empty(image.shape, dtype=np.uint8)
    slabs = iter_probabilities(
        model,
        image,
        flips=choices.flips,
        shift=choices.shift_check,
        limit=choices.score_bytes,
    )
    for slab in slabs:
        stop = slab.start + len(slab.classes)
        task_classes[slab.start : stop] = slab.classes.cpu().numpy()
        counter.add(slab)
        restorer.add(slab.start, slab.probabilities, slab.classes)
        on_slices(stop, len(image))
    if not restorer.complete:
        raise RuntimeError("slices of the input were left without labels")
    return restorer.label, task_classes, counter
