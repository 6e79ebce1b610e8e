"""Space for prepared volumes and for the state between rounds."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

from fedgin.data.cache import VolumeCache
from fedgin.data.nifti import read_header
from fedgin.data.prepare import PreparedSite
from fedgin.data.sources import FileCase, list_cases
from fedgin.doctor.finding import Finding, failed, ok, skipped, warning
from fedgin.doctor.subject import Notes, Subject
from fedgin.doctor.text import size
from fedgin.engine.memory_need import ADAMW_COPIES
from fedgin.engine.state import KEPT
from fedgin.engine.weights import get_weights
from fedgin.errors import FedginError
from fedgin.networks import build_network
from fedgin.settings import ResolvedSettings
from fedgin.sites.lookup import Site

VOXEL_BYTES = 3
"""A prepared voxel: the image in half precision, the label in one byte."""
STATE_COPIES = KEPT + 1
"""A new state is written whole before the oldest one goes."""
MODEL_COPIES = ADAMW_COPIES + 2
"""In a state: the optimizer's moments, and at most a control and the site's own layers."""


def check_disk(subject: Subject, notes: Notes) -> list[Finding]:
    """Compares free space with what the cache and the state will take."""
    site = subject.site
    if site is None:
        raise ValueError("the site's file is needed")
    return [_cache(site, subject.settings, notes.prepared), _state(site, subject)]


def prepared_bytes(prepared: PreparedSite) -> int:
    """Returns the bytes that a site's prepared volumes take on disk, without their small facts."""
    cases = {
        (case.name, split): case for split, cases in prepared.splits.items() for case in cases
    }.values()
    return sum(case.image.nbytes + case.label.nbytes + case.foreground.nbytes for case in cases)


def estimate_bytes(site: Site, settings: ResolvedSettings) -> int | None:
    """Estimates the bytes of the prepared volumes from the headers of the images.

    Returns:
        The estimate; None where not one header can be read. Unreadable ones count as the mean.
    """
    try:
        cases = [case for case in list_cases(site, settings.task) if isinstance(case, FileCase)]
    except FedginError:
        return None
    sizes = []
    for case in cases:
        try:
            header = read_header(case.image)
        except FedginError:
            continue
        # Orientation may differ, but spacing in plane and along it seldom do: an estimate.
        wanted = [own if new is None else new for own, new in _spacings(header.spacing, settings)]
        ratio = math.prod(header.spacing) / math.prod(wanted)
        sizes.append(header.voxels * ratio * VOXEL_BYTES)
    return round(sum(sizes) / len(sizes) * len(cases)) if sizes else None


def _spacings(
    own: tuple[float, float, float], settings: ResolvedSettings
) -> list[tuple[float, float | None]]:
    return list(zip(own, settings.geometry.spacing, strict=True))


def _cache(site: Site, settings: ResolvedSettings, prepared: PreparedSite | None) -> Finding:
    name = "cache"
    try:
        cache = VolumeCache(site.config.cache)
    except FedginError:
        return failed(name, "the cache's folder cannot be used", "see the finding on data")
    free = shutil.disk_usage(cache.folder).free
    need = prepared_bytes(prepared) if prepared else estimate_bytes(site, settings)
    if need is None:
        return skipped(name, f"{size(free)} free; how much is needed cannot be told", "mend data")
    kind = "take" if prepared else "will take about"
    found = (
        f"the prepared volumes {kind} {size(need)}; {size(free)} free, quota "
        f"{size(cache.quota_bytes)}"
    )
    values = {"need_bytes": need, "free_bytes": free, "quota_bytes": cache.quota_bytes}
    if prepared is None and need > free:
        return failed(name, found, "free space, or name another folder in 'cache.folder'", **values)
    if need > cache.quota_bytes:
        return warning(name, found, f"raise 'cache.quota_gb' above {need / 1e9:.1f}", **values)
    if cache.quota_bytes - need > free:
        mend = "free space or lower 'cache.quota_gb': other tasks' volumes may fill the disk"
        return warning(name, found, mend, **values)
    return ok(name, found, **values)


def _state(site: Site, subject: Subject) -> Finding:
    name = "state between rounds"
    folder = site.config.state.folder
    if folder is None and subject.kit is None:
        return skipped(name, "it lies in the run's folder inside the kit", "name --kit")
    place = _existing(Path(folder) if folder else subject.kit.folder if subject.kit else Path())
    weights = get_weights(build_network(subject.settings))
    model = sum(array.nbytes for array in weights.values())
    need = STATE_COPIES * MODEL_COPIES * model
    free = shutil.disk_usage(place).free
    found = f"takes up to {size(need)}; {size(free)} free"
    if need > free:
        return failed(
            name, found, "free space, or name another folder in 'state.folder'", need_bytes=need
        )
    return ok(name, found, need_bytes=need, free_bytes=free)


def _existing(folder: Path) -> Path:
    """Returns the folder, or the nearest above it that exists."""
    return next((place for place in (folder, *folder.parents) if place.is_dir()), Path("/"))
