"""What a study compares: task, sites, settings and runs. Nothing here depends on how it is run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedgin.augment.presets import preset
from fedgin.config import parse
from fedgin.overrides import merge
from fedgin.settings import ResolvedSettings, TrainingSettings
from fedgin.sites.lookup import Site
from fedgin.study.plan import PlannedRun

FINE_TUNING_ROUNDS = 1
FINE_TUNING_RATE = 0.1


@dataclass(frozen=True)
class StudyDefinition:
    """A study, ready to be run; it can be sent to another process.

    Attributes:
        folder: The study's folder.
        job: The FLARE job whose components the federated runs use.
        base: Training settings that all runs share.
        rounds: Rounds of every run.
        training_sites: Sites of the study federation.
        unseen_sites: Hospitals that only test.
        runs: The models to train.
        seeds: Seeds of the runs.
        threads: CPU threads of a process.
        quick: Whether this is the grid for a first look.
        notes: What a reader should know of the plan, a sentence each.
        command: The command as the user typed it; a run remembers the one that made it.
    """

    folder: Path
    job: Path
    base: TrainingSettings
    rounds: int
    training_sites: tuple[Site, ...]
    unseen_sites: tuple[Site, ...]
    runs: tuple[PlannedRun, ...]
    seeds: tuple[int, ...]
    threads: int = 1
    quick: bool = False
    notes: tuple[str, ...] = ()
    command: str = ""

    @property
    def modality_of(self) -> dict[str, str]:
        """Modality by name of all sites."""
        sites = (*self.training_sites, *self.unseen_sites)
        return {site.name: site.config.modality for site in sites}

    def overrides(self, run: PlannedRun) -> dict[str, Any]:
        """Returns the training settings in which a run differs from the base."""
        changed = merge(preset(run.augmentation), {"seed": run.seed})
        if run.algorithm:
            changed["algorithm"] = run.algorithm
        if run.regime == "fine-tuned":
            # One more round, from where training has ended: a tenth of the peak rate.
            changed["learning_rate"] = self.base.learning_rate * FINE_TUNING_RATE
        return changed

    def settings(self, run: PlannedRun) -> ResolvedSettings:
        """Builds a run's settings.

        Raises:
            ConfigError: They break the schema.
        """
        values = merge(self.base.model_dump(mode="json"), self.overrides(run))
        where = f"settings of {run.identifier}"
        return parse(TrainingSettings, values, where=where).resolve()

    def rounds_of(self, run: PlannedRun) -> int:
        """Returns the number of rounds of a run itself."""
        return FINE_TUNING_ROUNDS if run.regime == "fine-tuned" else self.rounds

    def steps_of(self, run: PlannedRun) -> int:
        """Returns the optimizer steps of a run, of all its sites together."""
        return self.rounds_of(run) * self.base.steps_per_round * len(run.train_sites)

    def run_folder(self, run: PlannedRun | str) -> Path:
        """Returns the folder of a run, or of the run with an identifier."""
        name = run if isinstance(run, str) else run.identifier
        return self.folder / "runs" / name

    @property
    def sites_folder(self) -> Path:
        """Folder with a copy of every site's file, as the runs read them."""
        return self.folder / "sites"
