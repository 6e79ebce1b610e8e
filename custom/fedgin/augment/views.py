"""The views of a training step: differently augmented copies of one batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fedgin.augment.bezier import Bezier
from fedgin.augment.dual_styles import dual_styles
from fedgin.augment.fourier import Fourier
from fedgin.augment.gin import Gin
from fedgin.augment.ipa import Ipa
from fedgin.augment.randconv import RandConv
from fedgin.augment.transform import Transform
from fedgin.augment_settings import (
    BezierSettings,
    FourierSettings,
    GinSettings,
    RandConvSettings,
)
from fedgin.settings import TrainingSettings

CONSISTENCY_VIEWS = 3


@dataclass(frozen=True)
class ViewPlan:
    """Which views a step trains on, and how the loss uses them.

    Attributes:
        transforms: One per view; None leaves the images as they are.
        supervised: The first so many views are compared with the labels.
        consistency: Weight of the term that pulls the predictions of all views together.
        draws: By view, the number of the view whose random numbers it draws from; None lets each
            draw from its own.
    """

    transforms: tuple[Transform | None, ...]
    supervised: int = 1
    consistency: float = 0.0
    draws: tuple[int, ...] | None = None

    @property
    def count(self) -> int:
        """Number of views."""
        return len(self.transforms)


def build_views(training: TrainingSettings) -> ViewPlan:
    """Builds the views that a run's settings ask for."""
    match training.augmentation:
        case "gin":
            return _gin_views(training.gin)
        case "randconv":
            return _randconv_views(training.randconv)
        case "fourier":
            return ViewPlan((build_fourier(training.fourier),))
        case "bezier":
            return ViewPlan((build_bezier(training.bezier),))
        case "dual_normalization":
            return ViewPlan(dual_styles(), supervised=2)
        case "none":
            return ViewPlan((None,))


def _gin_views(settings: GinSettings) -> ViewPlan:
    """Builds GIN's views: one, or the three of the original, of which IPA blends the first two."""
    gin = build_gin(settings)
    first: Transform = Ipa(gin) if settings.ipa else gin
    if not settings.consistency:
        return ViewPlan((first,))
    if not settings.ipa:
        return ViewPlan((gin,) * CONSISTENCY_VIEWS, consistency=settings.consistency)
    # Two blends of the same two copies, one by the map and one by its complement, and a third copy.
    return ViewPlan(
        (first, Ipa(gin, complement=True), gin),
        consistency=settings.consistency,
        draws=(0, 0, 2),
    )


def _randconv_views(settings: RandConvSettings) -> ViewPlan:
    """Builds RandConv's views: three, each of the original batch, or one without consistency."""
    randconv = build_randconv(settings)
    weight = settings.consistency_weight
    return ViewPlan((randconv,) * (CONSISTENCY_VIEWS if weight else 1), consistency=weight)


def build_gin(settings: GinSettings) -> Gin:
    """Builds GIN from a run's settings."""
    return Gin(
        probability=settings.probability,
        layers=settings.layers,
        hidden_channels=settings.hidden_channels,
        kernel_sizes=settings.kernel_sizes,
        per_batch=settings.draw == "per_batch",
    )


def build_randconv(settings: RandConvSettings) -> RandConv:
    """Builds RandConv from a run's settings."""
    return RandConv(
        mode=settings.mode,
        identity_probability=settings.identity_probability,
        kernel_sizes=settings.kernel_sizes,
    )


def build_fourier(settings: FourierSettings) -> Fourier:
    """Builds the amplitude mixture from a run's settings."""
    return Fourier(mode=settings.mode, strength=settings.strength, betas=settings.betas)


def build_bezier(settings: BezierSettings) -> Bezier:
    """Builds the Bezier intensity curve from a run's settings."""
    return Bezier(probability=settings.probability, inverted=settings.inverted)


def make_views(
    plan: ViewPlan, images: Tensor, *, generator: Callable[[int], torch.Generator]
) -> Tensor:
    """Augments a batch once per view.

    Args:
        plan: The views.
        images: Shape (B, C, *spatial).
        generator: Gives a fresh CPU generator of a view by its number from 0; asked twice for one
            view, it gives the same random numbers again.

    Returns:
        Shape (views * B, C, *spatial), view by view.
    """
    views = []
    for number, transform in enumerate(plan.transforms):
        if transform is None:
            views.append(images)
        else:
            source = number if plan.draws is None else plan.draws[number]
            draw = transform.draw(images.shape, generator=generator(source))
            views.append(transform.apply(images, draw))
    return views[0] if len(views) == 1 else torch.cat(views)
