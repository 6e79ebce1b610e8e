"""The settings of differentially private training, and what cannot go with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from fedgin.config import StrictModel

if TYPE_CHECKING:
    from fedgin.settings import TrainingSettings

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PATCHES_OF_A_PATIENT = 4


class DpSgdSettings(StrictModel):
    """How a site's training steps are made differentially private; see `fedgin.engine.dp_sgd`.

    What costs privacy has no default: who asks for privacy says how much.

    Attributes:
        noise_multiplier: Standard deviation of the noise over `max_grad_norm`.
        max_grad_norm: Largest L2 norm that one unit's gradient keeps.
        sampling_rate: Chance of each unit, independent of the others, to take part in a step.
        unit: What is protected: one axial slice of the prepared volumes, or one patient.
        patches: Patches of a patient in a step, over which its gradient is the mean; 4 where it is
            null. A slice has one.
        delta: The delta at which epsilon is stated.
        epsilon_budget: A round that would bring epsilon above it is refused; null sets no limit.
    """

    noise_multiplier: Positive
    max_grad_norm: Positive
    sampling_rate: Annotated[float, Field(gt=0, le=1)]
    unit: Literal["slice", "patient"]
    patches: Annotated[int, Field(ge=1, le=256)] | None = None
    delta: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    epsilon_budget: Positive | None = None

    @model_validator(mode="after")
    def _one_patch_of_a_slice(self) -> DpSgdSettings:
        if self.unit == "slice" and self.patches not in (None, 1):
            raise ValueError("patches is for unit patient: a slice gives one patch")
        return self

    @property
    def patches_per_unit(self) -> int:
        """Patches over which a unit's gradient is the mean."""
        return 1 if self.unit == "slice" else self.patches or PATCHES_OF_A_PATIENT


def check_dp_sgd(training: TrainingSettings) -> None:
    """Checks that nothing in a run's settings breaks the guarantee of `dp_sgd`.

    Raises:
        ValueError: Something does.
    """
    private = training.dp_sgd
    if private is None:
        return
    if training.normalization == "batch" or training.augmentation == "dual_normalization":
        raise ValueError(
            "dp_sgd cannot protect batch statistics, which leave the site unclipped and without "
            "noise: set normalization=instance and another augmentation than dual_normalization"
        )
    if training.algorithm == "scaffold":
        raise ValueError(
            "dp_sgd does not go with scaffold, whose controls would be the noise over the learning "
            "rate: set algorithm=fedavg, fedprox or fedbn"
        )
    if training.schedule == "plateau":
        raise ValueError(
            "dp_sgd does not go with schedule plateau, which follows validation patients without "
            "noise: set schedule=cosine or constant"
        )
    if private.unit == "slice":
        _check_slices(training)


def _check_slices(training: TrainingSettings) -> None:
    if training.spatial_dims != 2:
        raise ValueError(
            "dp_sgd.unit=slice needs spatial_dims=2: a 3D patch holds many slices; set "
            "dp_sgd.unit=patient"
        )
    if training.network == "dynunet":
        raise ValueError(
            "dp_sgd.unit=slice does not go with network dynunet, whose layers write over what "
            "Opacus watches: set network=unet, or dp_sgd.unit=patient"
        )
    several = (training.augmentation == "gin" and training.gin.consistency > 0) or (
        training.augmentation == "randconv" and training.randconv.consistency_weight > 0
    )
    if several:
        raise ValueError(
            "dp_sgd.unit=slice needs one view of each slice, for its gradient to be one: set "
            f"{training.augmentation}.consistency=0, or dp_sgd.unit=patient"
        )
    if training.augmentation == "fourier":
        raise ValueError(
            "dp_sgd.unit=slice does not go with augmentation fourier, which mixes slices: set "
            "another, or dp_sgd.unit=patient"
        )
