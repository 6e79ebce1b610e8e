"""The arguments of the intensity augmentations in a run's settings, with the released defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from fedgin.config import StrictModel

Fraction = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
KernelSize = Annotated[int, Field(ge=1, le=9)]

RANDCONV_CONSISTENCY = {"img": 5.0, "mix": 10.0}


class GinSettings(StrictModel):
    """Arguments of GIN; the defaults are the published ones (see `fedgin.augment.gin`).

    Attributes:
        probability: Chance of each sample to be augmented.
        layers: Convolutions of a random network.
        hidden_channels: Channels between them.
        kernel_sizes: Edge lengths in voxels among which each layer's is drawn.
        draw: One random network per sample, or one for the whole batch.
        consistency: Weight of the consistency of three views (10 in arXiv 2111.12525); 0 trains on
            one view.
        ipa: Whether to blend two GIN copies by a smooth random map (see `fedgin.augment.ipa`).
    """

    probability: Fraction = 1.0
    layers: Annotated[int, Field(ge=1, le=16)] = 4
    hidden_channels: Annotated[int, Field(ge=1, le=32)] = 2
    kernel_sizes: tuple[KernelSize, ...] = (1, 3)
    draw: Literal["per_sample", "per_batch"] = "per_sample"
    consistency: Weight = 0.0
    ipa: bool = False

    @model_validator(mode="after")
    def _odd_kernels(self) -> GinSettings:
        _check_kernels(self.kernel_sizes)
        return self


class RandConvSettings(StrictModel):
    """Arguments of RandConv; the defaults are the released ones (see `fedgin.augment.randconv`).

    Attributes:
        mode: `img` convolves or leaves the whole batch; `mix` blends it with its convolution.
        identity_probability: Chance of a call in mode `img` to leave the batch as it is.
        kernel_sizes: Edge lengths in voxels among which each call's is drawn.
        consistency: Weight of the consistency of three views; 0 trains on one view, null takes the
            mode's published weight, 5 for `img` and 10 for `mix`.
    """

    mode: Literal["img", "mix"] = "mix"
    identity_probability: Fraction = 0.5
    kernel_sizes: tuple[KernelSize, ...] = (1, 3, 5, 7)
    consistency: Weight | None = None

    @model_validator(mode="after")
    def _odd_kernels(self) -> RandConvSettings:
        _check_kernels(self.kernel_sizes)
        return self

    @property
    def consistency_weight(self) -> float:
        """The weight that the run uses."""
        return RANDCONV_CONSISTENCY[self.mode] if self.consistency is None else self.consistency


class FourierSettings(StrictModel):
    """Arguments of the amplitude mixture (see `fedgin.augment.fourier`).

    Attributes:
        mode: `mix` mixes whole amplitude spectra; `swap` exchanges their low frequencies (FDA).
        strength: Largest share of the partner's amplitude in mode `mix`.
        betas: Half-widths of the exchanged square as shares of the shortest side, one of which a
            call in mode `swap` draws.
    """

    mode: Literal["mix", "swap"] = "mix"
    strength: Fraction = 1.0
    betas: tuple[Annotated[float, Field(ge=0, lt=0.5)], ...] = (0.01, 0.05, 0.09)

    @model_validator(mode="after")
    def _some_beta(self) -> FourierSettings:
        if not self.betas:
            raise ValueError("betas must be one or more numbers")
        return self


class BezierSettings(StrictModel):
    """Arguments of the Bezier intensity curve (see `fedgin.augment.bezier`).

    Attributes:
        probability: Chance of each sample to be augmented.
        inverted: Whether curves fall (true) or rise (false); null lets half of them fall.
    """

    probability: Fraction = 0.5
    inverted: bool | None = None


def _check_kernels(sizes: tuple[int, ...]) -> None:
    if not sizes or any(size % 2 == 0 for size in sizes):
        raise ValueError("kernel_sizes must be one or more odd numbers")
