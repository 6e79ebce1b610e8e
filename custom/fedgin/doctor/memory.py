"""The device and its memory, and this computer's, against what the job needs."""

from __future__ import annotations

import contextlib
import os

import psutil
import torch

from fedgin.doctor.finding import Finding, failed, ok, skipped, warning
from fedgin.doctor.probing import probe_trainer
from fedgin.doctor.subject import Notes, Subject
from fedgin.doctor.text import size
from fedgin.engine.device import choose_device
from fedgin.engine.memory_need import MemoryNeed, memory_need

TIGHT = 0.9
"""Share of the free memory above which a need is called tight."""
CPU_OVERHEAD = 1.5
"""A process was seen to take so many times the tensors alive: workspaces, and gaps between them."""
_SMALLER = "a job with a smaller 'batch_size', 'patch_size' or 'channels'"


def check_memory(subject: Subject, notes: Notes) -> list[Finding]:
    """Finds the site's device, and compares memory with the job's need.

    Raises:
        ConfigError: The site's device is not there.
    """
    if subject.site is None:
        raise ValueError("the site's file is needed")
    need = memory_need(subject.settings, largest_volume=_largest_volume(notes))
    device = choose_device(subject.site.config.device)
    findings = [_device(device, threads=subject.site.config.threads), _estimate(need)]
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        findings.append(_gpu(subject, notes, need, free=free))
    else:
        findings.append(skipped("GPU memory", "the site trains on the CPU"))
    return [*findings, _ram(need, on_cpu=device.type == "cpu")]


def judge_gpu(need: MemoryNeed, *, measured: int | None, free: int) -> Finding:
    """Compares a GPU's free memory with what a step was seen to hold, and validation will.

    Args:
        need: The estimate, in single precision.
        measured: Bytes that a step held; None where it ran out of memory.
        free: Bytes free before.
    """
    name = "GPU memory"
    mend = f"free the GPU of other processes, or run {_SMALLER}"
    if measured is None:
        found = f"a step runs out of memory: about {size(need.training)} needed, {size(free)} free"
        return failed(name, found, mend, estimated_bytes=need.total, free_bytes=free)
    # Where a whole volume does not fit beside the windows, their number falls by itself.
    most = max(measured, need.weights + need.validation)
    found = (
        f"a step holds {size(measured)} (measured), validation about {size(need.validation)}; "
        f"{size(free)} free"
    )
    values = {
        "measured_bytes": measured,
        "estimated_bytes": need.total,
        "free_bytes": free,
    }
    if most > TIGHT * free:
        return warning(name, f"{found}: tight", mend, **values)
    return ok(name, found, **values)


def judge_ram(need: int, *, available: int) -> Finding:
    """Compares the memory that this computer has to give with a training process's need."""
    name = "RAM"
    found = f"a training process needs about {size(need)}; {size(available)} available"
    mend = f"close other programs, or run {_SMALLER}"
    if need > available:
        return failed(name, found, mend, need_bytes=need, available_bytes=available)
    if need > TIGHT * available:
        return warning(name, f"{found}: tight", mend, need_bytes=need, available_bytes=available)
    return ok(name, found, need_bytes=need, available_bytes=available)


def _largest_volume(notes: Notes) -> int:
    if notes.prepared is None:
        return 0
    cases = [case for cases in notes.prepared.splits.values() for case in cases]
    return max((case.image.size for case in cases), default=0)


def _device(device: torch.device, *, threads: int) -> Finding:
    if device.type == "cuda":
        return ok("device", f"{device}: {torch.cuda.get_device_name(device)}", device=str(device))
    cores = os.cpu_count() or 1
    found = f"CPU, {threads} threads on {cores} cores"
    if threads > cores:
        return warning("device", found, f"set 'threads' to {cores} or fewer", device="cpu")
    return ok("device", found, device="cpu")


def _estimate(need: MemoryNeed) -> Finding:
    parts = {
        "weights": need.weights,
        "optimizer": need.optimizer,
        "batch": need.batch,
        "step": need.step,
        "validation": need.validation,
    }
    return ok(
        "estimated need",
        f"training {size(need.training)} (weights {size(need.weights)}, optimizer "
        f"{size(need.optimizer)}, activations and gradients {size(need.step)}), validation "
        f"{size(need.weights + need.validation)}, in single precision",
        **{f"{name}_bytes": count for name, count in parts.items()},
        training_bytes=need.training,
    )


def _gpu(subject: Subject, notes: Notes, need: MemoryNeed, *, free: int) -> Finding:
    with contextlib.suppress(torch.OutOfMemoryError):  # then nothing was measured
        probe_trainer(subject, notes)
    torch.cuda.empty_cache()
    measured = notes.probe.peak_bytes if notes.probe else None
    return judge_gpu(need, measured=measured, free=free)


def _ram(need: MemoryNeed, *, on_cpu: bool) -> Finding:
    # Volumes are memory-mapped: their pages go when others need the memory. What this process holds
    # by now, libraries and all, a training process holds too, and this one will have ended by then.
    own = int(psutil.Process().memory_info().rss)
    available = int(psutil.virtual_memory().available) + own
    work = CPU_OVERHEAD * need.total if on_cpu else need.batch
    return judge_ram(own + round(work), available=available)
