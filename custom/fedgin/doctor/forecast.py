"""What a round will cost this site: time and bytes."""

from __future__ import annotations

import time

import torch

from fedgin.doctor.finding import Finding, ok, skipped
from fedgin.doctor.probing import probe_trainer
from fedgin.doctor.subject import Notes, Subject
from fedgin.doctor.text import size
from fedgin.engine.device import choose_device
from fedgin.engine.evaluator import evaluate
from fedgin.engine.scaffold import trainable
from fedgin.engine.step_probe import synchronize
from fedgin.engine.trainer import Trainer
from fedgin.engine.weights import get_weights, subtract
from fedgin.errors import ConfigError
from fedgin.settings import ResolvedSettings


def check_forecast(subject: Subject, notes: Notes) -> list[Finding]:
    """Takes real steps and a real validation, and counts the bytes of the messages.

    Raises:
        ConfigError: The settings do not fit each other.
    """
    if subject.site is not None and not _has_device(subject.site.config.device):
        reason = "no step could be taken: the site's device is not there"
        return [skipped("time per round", reason, "see memory"), _traffic(subject.settings)]
    try:
        trainer = probe_trainer(subject, notes)
    except torch.OutOfMemoryError:
        reason = "no step could be taken: out of memory"
        return [skipped("time per round", reason, "see memory"), _traffic(subject.settings)]
    return [_time(subject.settings, notes, trainer), _traffic(subject.settings)]


def _has_device(wish: str) -> bool:
    """Tells whether the site's device is there; the check of memory says what is wrong with it."""
    try:
        choose_device(wish)
    except ConfigError:
        return False
    return True


def traffic(settings: ResolvedSettings) -> tuple[int, int]:
    """Counts the bytes that a site receives and sends in a round of training.

    Weights come down in their own types, a float32 difference goes up; SCAFFOLD's control travels
    along in float32 both ways. What the messages are wrapped in comes on top. Validation before
    training receives the weights once more where a job asks for it as a task of its own.

    Returns:
        Bytes down and bytes up.
    """
    from fedgin.networks import build_network

    network = build_network(settings)
    weights = get_weights(network)
    down = sum(array.nbytes for array in weights.values())
    up = sum(array.nbytes for array in subtract(weights, weights).values())
    if settings.training.algorithm != "scaffold":
        return down, up
    control = sum(4 * parameter.numel() for parameter in trainable(network).values())
    return down + control, up + control


def _time(settings: ResolvedSettings, notes: Notes, trainer: Trainer) -> Finding:
    name = "time per round"
    if notes.probe is None:
        return skipped(name, "no step was taken")
    training = notes.probe.seconds * settings.training.steps_per_round
    found = (
        f"training {training:.1f} s ({settings.training.steps_per_round} steps of "
        f"{1000 * notes.probe.seconds:.0f} ms, {notes.probe.steps} measured)"
    )
    validation = _validation_seconds(settings, notes, trainer)
    values = {"training_seconds": training, "step_seconds": notes.probe.seconds}
    if notes.prepared is None:
        found += ", on noise in place of the site's volumes; validation not measured"
        return ok(name, found, **values)
    found += f", validation {validation:.1f} s: {training + validation:.1f} s"
    return ok(
        name,
        f"{found}, without waiting for other sites and the network",
        **values,
        validation_seconds=validation,
        round_seconds=training + validation,
    )


def _validation_seconds(settings: ResolvedSettings, notes: Notes, trainer: Trainer) -> float:
    """Times one volume and counts the others by their voxels."""
    cases = notes.prepared.splits["validation"] if notes.prepared else []
    if not cases:
        return 0.0
    synchronize(trainer.device)
    start = time.perf_counter()
    evaluate(
        trainer.network,
        cases[:1],
        settings=settings,
        device=trainer.device,
        windows=trainer.windows,
    )
    seconds = time.perf_counter() - start
    return seconds * sum(case.image.size for case in cases) / cases[0].image.size


def _traffic(settings: ResolvedSettings) -> Finding:
    down, up = traffic(settings)
    return ok(
        "bytes per round",
        f"{size(down)} down, {size(up)} up",
        down_bytes=down,
        up_bytes=up,
    )
