"""The trainer with which the doctor takes its steps."""

from __future__ import annotations

from fedgin.doctor.subject import Notes, Subject
from fedgin.engine.device import choose_device
from fedgin.engine.step_probe import probe_steps
from fedgin.engine.trainer import Trainer

REPEATS = 5


def probe_trainer(subject: Subject, notes: Notes) -> Trainer:
    """Builds the site's trainer on its own volumes, or on noise where none is prepared to train on.

    Raises:
        ConfigError: The settings do not fit each other, or the site's device is not there.
    """
    from fedgin.engine.step_cost import noise_case

    if subject.site is None:
        raise ValueError("the site's file is needed")
    settings = subject.settings.without_federation()
    own = notes.prepared.splits["train"] if notes.prepared else []
    trainer = Trainer(
        settings=settings,
        site=subject.name,
        cases=own or [noise_case(settings)],
        device=choose_device(subject.site.config.device),
    )
    if notes.probe is None:
        notes.probe = probe_steps(trainer, repeats=REPEATS)
    return trainer
