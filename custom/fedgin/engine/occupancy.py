"""Who has a GPU's memory between a site's tasks: the site, or whoever else needs it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fedgin.engine.trainer import Trainer


@contextmanager
def on_device(trainer: Trainer, *, release: bool) -> Iterator[Trainer]:
    """Brings a trainer's network to its device for a task.

    Args:
        trainer: The trainer.
        release: Whether the device is given back after the task; see `release_device`.

    Yields:
        The trainer.
    """
    trainer.network.to(trainer.device)
    try:
        yield trainer
    finally:
        if release:
            release_device(trainer)


def release_device(trainer: Trainer) -> None:
    """Moves a trainer's network to the CPU and gives the device's memory to other processes.

    Nothing is lost: what must survive a round lies on disk. No value changes on the way. CUDA's
    own context, some hundreds of MB, stays as long as the process does.
    """
    trainer.objective.release()
    if trainer.teacher:
        trainer.teacher.release()
    trainer.network.zero_grad(set_to_none=True)
    trainer.network.to("cpu")
    if trainer.device.type == "cuda":
        gc.collect()  # an optimizer that hangs in a cycle would keep its tensors
        torch.cuda.empty_cache()
