"""The settings of one training run: what a job says, and what never depends on a site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from fedgin.augment_settings import (
    BezierSettings,
    FourierSettings,
    GinSettings,
    RandConvSettings,
)
from fedgin.config import StrictModel, parse, read_mapping
from fedgin.dp_sgd_settings import DpSgdSettings, check_dp_sgd
from fedgin.fingerprint.plan import PlanPin, check_pin
from fedgin.partial_settings import DistillationSettings, PartialLabels, check_partial
from fedgin.tasks import Geometry, Task, get_task

SETTINGS_FILE = "training.json"

WINDOWS: Mapping[int, int] = MappingProxyType({2: 16, 3: 2})
"""Windows per forward pass in validation by spatial dimensions; 3D ones are large."""

MR_CLIP_PERCENTILE = 99.5
"""Percentile of a volume to which MR is clipped from above, where settings say nothing else."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Hounsfield = Annotated[float, Field(ge=-10_000, le=40_000)]


class TrainingSettings(StrictModel):
    """What every site of a run does alike.

    Keys that are None take the task's default for `spatial_dims` (see `fedgin.tasks`).

    Attributes:
        task: Name of the task.
        classes: The task's structures that the run segments, in the task's order whatever theirs;
            null takes all.
        seed: Seed of the run: initial weights and, with site, round and step, every draw.
        spatial_dims: 2 trains on axial slices, 3 on patches.
        spacing: Target spacing in mm along x, y, z; null keeps a volume's own.
        patch_size: Voxels, (y, x) or (z, y, x).
        ct_window: HU range to which CT is clipped; null takes the task's.
        mr_percentile: Percentile of a volume to which MR is clipped from above; null takes 99.5.
        plan: The plan that the settings follow; see `fedgin.fingerprint.plan`.
        network: `unet` (MONAI's residual U-Net) or `dynunet`.
        normalization: `instance` (no statistics; without scale and shift in the U-Net), with them
            (`instance_affine`), or `batch`.
        channels: Feature channels of the network's levels.
        deep_supervision: Whether coarser levels of a `dynunet` are trained on the labels too; see
            `fedgin.losses.deep_supervision`.
        augmentation: Intensity augmentation; `dual_normalization` is the pair of styles that the
            method of that name trains on.
        gin: Arguments of GIN.
        randconv: Arguments of RandConv.
        fourier: Arguments of the amplitude mixture.
        bezier: Arguments of the Bezier intensity curve.
        geometric: Whether to rotate, scale and deform.
        batch_size: Patches per step.
        steps_per_round: Optimizer steps of one site in one round.
        learning_rate: Peak learning rate of AdamW.
        weight_decay: Weight decay of AdamW.
        schedule: Learning rate over the run; `plateau` follows the site's validation Dice.
        warmup: Share of the run's steps over which the learning rate rises from zero.
        gradient_clip: Largest L2 norm of a step's gradient; without effect under `dp_sgd`.
        dp_sgd: Differentially private steps; null trains without. See `fedgin.engine.dp_sgd`.
        algorithm: How a federation's sites train and are averaged; see `fedgin.engine.objectives`.
            Training without a federation takes no note of it.
        proximal_mu: Strength of FedProx's pull towards the global model.
        partial_labels: What a training site may lack. `refuse`: nothing. `marginal`: what it does
            not annotate is unknown there; see `fedgin.losses.marginal`. `background`: it is taken
            for background, which it is not; for comparison.
        distillation: What the model that a round starts from teaches of unknown classes.
        foreground_fraction: Share of patches centred on a structure, classes drawn alike.
        validate_every: A site validates the global model before each such round, from the first
            on. The rounds between cost no validation, and their models cannot become the best.
        overlap: Overlap of neighbouring windows in validation.
        window_batch: Windows per forward pass in validation; `WINDOWS` has the defaults.
        tolerance_mm: Distance in mm that normalised surface Dice forgives; null takes the task's.
    """

    task: str
    classes: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    spatial_dims: Literal[2, 3] = 2
    spacing: tuple[Positive | None, Positive | None, Positive | None] | None = None
    patch_size: tuple[Annotated[int, Field(ge=16, le=1024)], ...] | None = None
    ct_window: tuple[Hounsfield, Hounsfield] | None = None
    mr_percentile: Annotated[float, Field(ge=50, le=100)] | None = None
    plan: PlanPin | None = None
    network: Literal["unet", "dynunet"] = "unet"
    normalization: Literal["instance", "instance_affine", "batch"] = "instance"
    channels: tuple[Annotated[int, Field(ge=1, le=1024)], ...] | None = None
    deep_supervision: bool = False
    augmentation: Literal["gin", "none", "randconv", "fourier", "bezier", "dual_normalization"] = (
        "gin"
    )
    gin: GinSettings = GinSettings()
    randconv: RandConvSettings = RandConvSettings()
    fourier: FourierSettings = FourierSettings()
    bezier: BezierSettings = BezierSettings()
    geometric: bool = True
    batch_size: Annotated[int, Field(ge=1, le=1024)] | None = None
    steps_per_round: Annotated[int, Field(ge=1)] = 60
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-4
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    warmup: Fraction = 0.0
    gradient_clip: Positive = 1.0
    dp_sgd: DpSgdSettings | None = None
    algorithm: Literal["fedavg", "fedprox", "fedbn", "scaffold"] = "fedavg"
    proximal_mu: Positive = 0.01
    partial_labels: PartialLabels = "refuse"
    distillation: DistillationSettings = DistillationSettings()
    foreground_fraction: Fraction = 0.33
    validate_every: Annotated[int, Field(ge=1)] = 1
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.25
    window_batch: Annotated[int, Field(ge=1)] = Field(
        default_factory=lambda given: WINDOWS[given["spatial_dims"]]
    )
    tolerance_mm: Positive | None = None

    @model_validator(mode="after")
    def _consistent(self) -> TrainingSettings:
        if self.patch_size is not None and len(self.patch_size) != self.spatial_dims:
            raise ValueError(
                f"patch_size needs {self.spatial_dims} numbers, as many as spatial_dims says"
            )
        if self.ct_window is not None and not self.ct_window[0] < self.ct_window[1]:
            raise ValueError("ct_window needs its lower end first")
        if self.channels is not None and len(self.channels) < 2:
            raise ValueError("channels needs at least two levels")
        if self.network == "dynunet" and self.channels is not None and len(self.channels) < 3:
            raise ValueError("channels needs at least three levels with network dynunet")
        if self.deep_supervision and self.network != "dynunet":
            raise ValueError("deep_supervision needs network dynunet: set network=dynunet")
        if self.augmentation == "dual_normalization" and self.normalization == "instance_affine":
            raise ValueError("dual_normalization brings its own layers: leave normalization out")
        # MONAI's DynUNet has affine instance normalization at least.
        own_layers = (
            self.normalization != "instance"
            or self.network == "dynunet"
            or self.augmentation == "dual_normalization"
        )
        if self.algorithm == "fedbn" and not own_layers:
            raise ValueError(
                "fedbn needs a network whose normalization layers have values to keep: set "
                "normalization to batch or instance_affine"
            )
        if self.schedule == "plateau" and self.validate_every > 1:
            raise ValueError("plateau follows every round's validation: leave validate_every at 1")
        check_dp_sgd(self)
        check_partial(self)
        return self

    def resolve(self) -> ResolvedSettings:
        """Fills the keys that are None from the task's defaults.

        Raises:
            ConfigError: The task is unknown, or one of the classes.
        """
        task = get_task(self.task).narrowed(self.classes)
        default = task.geometry[self.spatial_dims]
        geometry = Geometry(
            spacing=self.spacing or default.spacing,
            patch_size=self.patch_size or default.patch_size,
            channels=self.channels or default.channels,
            batch_size=self.batch_size or default.batch_size,
        )
        return ResolvedSettings(training=self, task=task, geometry=geometry)


@dataclass(frozen=True)
class ResolvedSettings:
    """Training settings together with the task and geometry that they mean."""

    training: TrainingSettings
    task: Task
    geometry: Geometry

    def without_federation(self) -> ResolvedSettings:
        """Returns the settings for training in which nobody averages: plain local steps."""
        training = self.training.model_copy(update={"algorithm": "fedavg"})
        return replace(self, training=training)

    @property
    def ct_window(self) -> tuple[float, float]:
        """HU range to which CT is clipped."""
        return self.training.ct_window or self.task.ct_window

    @property
    def mr_percentile(self) -> float:
        """Percentile of a volume to which MR is clipped from above."""
        return self.training.mr_percentile or MR_CLIP_PERCENTILE

    @property
    def tolerance_mm(self) -> float:
        """Distance in mm that normalised surface Dice forgives."""
        return self.training.tolerance_mm or self.task.tolerance_mm


def read_settings(path: Path) -> ResolvedSettings:
    """Reads a job's settings file.

    Raises:
        ConfigError: The file is missing or breaks the schema, or it pins a plan that does not lie
            beside it or that it does not follow.
    """
    training = parse(TrainingSettings, read_mapping(path), where=str(path))
    check_pin(training.plan, training.model_dump(mode="json"), folder=path.parent)
    return training.resolve()


def make_settings(**values: Any) -> ResolvedSettings:
    """Builds settings from arguments, under the same rules as a settings file.

    Raises:
        ConfigError: An argument breaks the schema.
    """
    return parse(TrainingSettings, values, where="settings").resolve()
