"""Memory that suffices, is tight, or does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import psutil
import pytest
import torch
from subjects import TINY, by_name, make_subject

from fedgin.doctor.forecast import check_forecast
from fedgin.doctor.memory import check_memory, judge_gpu, judge_ram
from fedgin.doctor.runner import Check, run_check
from fedgin.doctor.subject import Notes, Subject
from fedgin.engine.memory_need import MemoryNeed, memory_need
from fedgin.settings import make_settings
from fedgin.sites.lookup import Site

NEED = MemoryNeed(weights=10, optimizer=20, batch=5, step=160, workspace=5, validation=80)


def subject(load: Callable[[str], Site], **changes: object) -> Subject:
    site = load("site-1")
    changed = replace(site, config=site.config.model_copy(update=changes))
    return make_subject(name="site-1", site=changed)


def test_on_the_cpu_the_need_is_compared_with_ram(load: Callable[[str], Site]) -> None:
    found = by_name(check_memory(subject(load), Notes()))
    assert found["device"].values["device"] == "cpu"
    assert found["GPU memory"].status == "skipped"
    need = memory_need(make_settings(**TINY))
    assert found["estimated need"].values["training_bytes"] == need.training
    ram = found["RAM"]
    assert ram.status == "ok"
    own = psutil.Process().memory_info().rss
    assert float(ram.values["need_bytes"] or 0) == pytest.approx(own + 1.5 * need.total, rel=0.2)
    assert float(ram.values["available_bytes"] or 0) < psutil.virtual_memory().total + own


def test_more_threads_than_cores_are_told(load: Callable[[str], Site]) -> None:
    found = by_name(check_memory(subject(load, threads=256), Notes()))
    assert found["device"].status == "warning"
    assert "threads" in found["device"].mend


@pytest.mark.parametrize(("available", "status"), [(99, "failed"), (105, "warning"), (200, "ok")])
def test_ram(available: int, status: str) -> None:
    assert judge_ram(100, available=available).status == status


@pytest.mark.parametrize(
    ("measured", "free", "status"),
    [
        (None, 100, "failed"),
        (150, 400, "ok"),
        (150, 160, "warning"),
        (50, 95, "warning"),  # validation needs more than a step
        (50, 200, "ok"),
    ],
)
def test_gpu(measured: int | None, free: int, status: str) -> None:
    found = judge_gpu(NEED, measured=measured, free=free)
    assert found.status == status
    assert bool(found.mend) == (status != "ok")


def test_a_gpu_that_is_not_there_is_a_failed_finding(load: Callable[[str], Site]) -> None:
    missing = f"cuda:{torch.cuda.device_count() + 1}"
    check = Check("memory", check_memory, needs_site=True)
    (found,) = run_check(check, subject(load, device=missing), Notes())
    assert found.status == "failed"
    assert f"'{missing}'" in found.found
    assert "CUDA_VISIBLE_DEVICES" in found.mend


def test_numbers_of_a_device_are_shown_though_patients_are_called_so(
    load: Callable[[str], Site],
) -> None:
    count = torch.cuda.device_count()
    missing = f"cuda:{count + 7}"
    check = Check("memory", check_memory, needs_site=True)
    notes = Notes(names={str(count), str(count + 7)})
    (found,) = run_check(check, subject(load, device=missing), notes)
    assert found.found == (
        f"the CUDA device must exist; found '{missing}' with {count} CUDA devices visible"
    )


def test_a_device_that_is_not_there_fails_one_check_only(load: Callable[[str], Site]) -> None:
    missing = f"cuda:{torch.cuda.device_count() + 1}"
    check = Check("forecast", check_forecast, needs_site=True)
    found = by_name(run_check(check, subject(load, device=missing), Notes()))
    assert found["time per round"].status == "skipped"
    assert found["time per round"].mend == "see memory"
    assert found["bytes per round"].status == "ok"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_a_step_is_measured(load: Callable[[str], Site]) -> None:
    notes = Notes()
    found = by_name(check_memory(subject(load, device="cuda"), notes))
    assert found["GPU memory"].status == "ok"
    assert notes.probe is not None
    assert found["GPU memory"].values["measured_bytes"] == notes.probe.peak_bytes
