"""The preparation of a site's volumes: the first start, with other processes, and later starts."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nibabel
import numpy as np

from fedgin.bench.figures import Figure, speed_up, text_of
from fedgin.bench.made_sites import write_site
from fedgin.bench.options import BenchOptions
from fedgin.bench.times import Times
from fedgin.data.prepare import prepare_site
from fedgin.processes import usable_cores
from fedgin.seeding import numpy_generator
from fedgin.settings import ResolvedSettings
from fedgin.sites.lookup import load_site_file

GROUP = "preparation"
VOLUMES = 60
SHAPE = (256, 256, 80)
AFFINE = np.diag([1.5, 1.5, 3.0, 1.0])
LATER = 20.0
LATER_STARTS = 3


def measure_preparation(options: BenchOptions) -> list[Figure]:
    """Times a site of CT volumes of noise: one process, as many as cores, and the cache."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_volumes(folder)
        alone = _start(folder, options.settings, threads=1, cache="alone")
        together = _start(folder, options.settings, threads=usable_cores(), cache="together")
        later = [
            _start(folder, options.settings, threads=1, cache="together")
            for _ in range(LATER_STARTS)
        ]
    size = " x ".join(str(edge) for edge in SHAPE)
    return [
        speed_up(
            GROUP,
            f"first start with {VOLUMES} volumes of {size}, threads: {usable_cores()}",
            ours=Times((together,)),
            theirs=Times((alone,)),
            against="threads: 1",
        ),
        speed_up(
            GROUP,
            "later start with the same volumes",
            ours=Times(tuple(later)),
            theirs=Times((together,)),
            against=f"first start ({text_of(together / VOLUMES)} a volume)",
            at_least=LATER,
        ),
    ]


def _write_volumes(folder: Path) -> None:
    label = np.zeros(SHAPE, dtype=np.uint8)
    label[100:160, 100:150, 30:50] = 1
    for number in range(VOLUMES):
        noise = numpy_generator("bench preparation", number).normal(-100, 300, size=SHAPE)
        for kind, array in (("images", noise.astype(np.int16)), ("labels", label)):
            file = folder / kind / f"{number:02d}.nii.gz"
            file.parent.mkdir(exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(array, AFFINE), file)


def _start(folder: Path, settings: ResolvedSettings, *, threads: int, cache: str) -> float:
    """Prepares the site with a cache of its own name, and returns the seconds that it took."""
    file = folder / "bench.yaml"
    write_site(
        file,
        cache=folder / cache,
        threads=threads,
        modality="CT",
        dataset={"kind": "glob", "root": str(folder), "images": "images/*", "labels": "labels/*"},
        labels={settings.task.class_names[0]: 1},
    )
    return prepare_site(load_site_file(file), settings, partial=True).seconds
