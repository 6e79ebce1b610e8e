"""Training beside a page of PyTorch and MONAI: time, memory and Dice after equally many steps."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from fedgin.bench.figures import Figure, Mark, text_of
from fedgin.bench.made_sites import write_site
from fedgin.bench.memory import in_a_process, peak_bytes
from fedgin.bench.options import BenchOptions
from fedgin.data.export_phantom import export_phantoms
from fedgin.data.prepare import prepare_site
from fedgin.documents import parse_json
from fedgin.engine.pooled import PooledTraining
from fedgin.errors import ConfigError, Problem
from fedgin.settings import TrainingSettings
from fedgin.sites.lookup import load_site_file
from fedgin.study.sites import checkout
from fedgin.threads import set_threads

GROUP = "peer"
SCRIPT = Path("tests/benchmarks/plain_heart.py")
PROTOCOL, SEED, CASES, TESTS = "arterial", 1, 12, 4
STEPS = 300
NOT_SLOWER, NOT_LARGER = 0.97, 1.0


def measure_peer(options: BenchOptions) -> list[Figure]:
    """Trains the same network on the same phantoms, without intensity augmentation, both ways.

    The script measures the median step with its loader; ours is a round's time by its steps, which
    includes all that a round does besides.

    Raises:
        ConfigError: There is no checkout with the script, or the job is not 2D and of the heart.
    """
    root = checkout()
    if root is None or not (root / SCRIPT).is_file():
        rule, mend = "the plain script must be there", "run it in a checkout, or leave peer out"
        raise ConfigError(Problem(str(SCRIPT), rule, "no checkout", mend))
    settings = options.settings
    if settings.task.name != "heart" or settings.training.spatial_dims != 2:
        rule, mend = "the plain script segments the heart in 2D", "leave peer out with --only"
        found = f"task {settings.task.name}, {settings.training.spatial_dims}D"
        raise ConfigError(Problem("--only peer", rule, found, mend))
    training = settings.training.model_copy(
        update={"augmentation": "none", "steps_per_round": STEPS, "plan": None}
    )
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory(prefix="fedgin-bench-") as name:
        folder = Path(name)
        export_phantoms(
            folder, task="heart", modality="CT", protocol=PROTOCOL, seed=SEED, indices=range(CASES)
        )
        theirs = _theirs(root / SCRIPT, folder, training, threads)
        seconds, peak, dice = in_a_process(_ours, folder, training, threads)
    told = f"Dice {dice:.3f} on {TESTS} test patients; the script's {theirs['dice']:.3f}"
    return [
        Figure(
            group=GROUP,
            name=f"a training step, {STEPS} steps on {CASES - TESTS} phantoms",
            ours=f"{text_of(seconds)}, Dice {dice:.3f}",
            against=f"PyTorch + MONAI: {text_of(theirs['step_seconds'])}, "
            f"Dice {theirs['dice']:.3f}",
            value=theirs["step_seconds"] / seconds,
            unit="x",
            mark=Mark(rule="at least", value=NOT_SLOWER),
            note=told,
        ),
        Figure(
            group=GROUP,
            name="peak memory of that process",
            ours=f"{peak / 2**20:.0f} MiB",
            against=f"PyTorch + MONAI: {theirs['peak_bytes'] / 2**20:.0f} MiB",
            value=peak / theirs["peak_bytes"],
            unit="x",
            mark=Mark(rule="at most", value=NOT_LARGER),
        ),
    ]


def _theirs(
    script: Path, folder: Path, training: TrainingSettings, threads: int
) -> dict[str, float]:
    geometry = training.resolve().geometry
    arguments = {
        "--steps": STEPS,
        "--batch": geometry.batch_size,
        "--patch": geometry.patch_size[0],
        "--spacing": geometry.spacing[0],
        "--channels": ",".join(str(width) for width in geometry.channels),
        "--tests": TESTS,
        "--threads": threads,
    }
    words = [str(word) for pair in arguments.items() for word in pair]
    done = subprocess.run(
        [sys.executable, str(script), str(folder), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    measured: dict[str, float] = parse_json(done.stdout.splitlines()[-1].encode())
    return measured


def _ours(folder: Path, training: TrainingSettings, threads: int) -> tuple[float, int, float]:
    set_threads(threads)
    patients = [f"phantom-{SEED}-{index}" for index in range(CASES)]
    file = folder / "peer.yaml"
    write_site(
        file,
        cache=folder / "cache",
        threads=threads,
        modality="CT",
        dataset={"kind": "phantom", "protocol": PROTOCOL, "seed": SEED, "cases": CASES},
        split={"by": "patient", "train": patients[:-TESTS], "test": patients[-TESTS:]},
    )
    site = prepare_site(load_site_file(file), training.resolve())
    pooled = PooledTraining(sites=[site], settings=training.resolve())
    run = pooled.run(rounds=1, folder=folder / "run")
    dice = pooled.evaluate(run.last, site.splits["test"]).mean()
    return run.seconds[0] / STEPS, peak_bytes(), dice
