"""The batches of a site's training: drawn, cut, augmented and brought to the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from fedgin.augment.geometric import Geometric
from fedgin.augment.views import build_views, make_views
from fedgin.data.prepare import PreparedCase
from fedgin.data.sampling import PatchSampler
from fedgin.seeding import numpy_generator, torch_generator
from fedgin.settings import ResolvedSettings

ARRAY_AXIS = {2: {"y": 0, "x": 1}, 3: {"z": 0, "y": 1, "x": 2}}


class Batches:
    """Makes the batch of a round's step, a function of seed, site, round, step and cases."""

    def __init__(
        self,
        *,
        settings: ResolvedSettings,
        site: str,
        cases: Sequence[PreparedCase],
        device: torch.device,
    ) -> None:
        """Builds the augmentation.

        Args:
            settings: Settings of the run.
            site: Name that the draws depend on.
            cases: Cases to draw from; none where no batch is asked for.
            device: Where batches live.
        """
        self._settings = settings
        self._site = site
        self._cases = cases
        self._device = device
        axes = ARRAY_AXIS[settings.training.spatial_dims]
        self._geometric = Geometric(
            mirror_axes=[axes[axis] for axis in settings.task.mirror_axes if axis in axes],
            spacing=_known_spacing(settings),
        )
        self.views = build_views(settings.training)
        self._marks_unknown = leaves_unknown(settings, cases)

    @cached_property
    def _sampler(self) -> PatchSampler:
        # Made when it is first needed: who only measures may have no case to train on.
        return PatchSampler(
            self._cases,
            patch_size=self._settings.geometry.patch_size,
            foreground_fraction=self._settings.training.foreground_fraction,
        )

    def draw(self, round_number: int, step: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Draws, cuts and augments one batch, on the device.

        Returns:
            Images (views * B, 1, *patch), view by view; labels (B, 1, *patch); and which classes
            each sample's site annotates, (B, classes) bool, None where that is all of them.
        """
        where = (self._settings.training.seed, self._site, round_number, step)
        places = self._sampler.draw(
            self._settings.geometry.batch_size, generator=numpy_generator(*where, "patches")
        )
        images, labels = self.augment(
            *self._sampler.cut(places),
            generator=lambda *purpose: torch_generator(*where, *purpose),
        )
        if not self._marks_unknown:
            return images, labels, None
        known = self._sampler.known(places, class_names=self._settings.task.class_names)
        return images, labels, None if known.all() else known.to(self._device, non_blocking=True)

    def augment(
        self, images: Tensor, labels: Tensor, *, generator: Callable[..., torch.Generator]
    ) -> tuple[Tensor, Tensor]:
        """Brings patches to the device, deforms them and makes their views.

        Args:
            images: Shape (B, 1, *patch), on the CPU.
            labels: Shape (B, 1, *patch), on the CPU.
            generator: Gives a fresh CPU generator by the name of a draw's purpose.

        Returns:
            Images (views * B, 1, *patch), view by view, and labels (B, 1, *patch).
        """
        images = images.to(self._device, non_blocking=True)
        labels = labels.to(self._device, non_blocking=True)
        if self._settings.training.geometric:
            draw = self._geometric.draw(images.shape, generator=generator("geometric"))
            images, labels = self._geometric.apply(images, labels, draw)
        # The first view draws as a run with one view does.
        images = make_views(
            self.views,
            images,
            generator=lambda view: generator("intensity", *([view] if view else [])),
        )
        return images, labels


def _known_spacing(settings: ResolvedSettings) -> tuple[float, ...]:
    """Returns mm along a patch's axes; empty where volumes keep their own along one of them."""
    # Spacing is x, y, z and a patch (y, x) or (z, y, x).
    along_patch = settings.geometry.spacing[: settings.training.spatial_dims][::-1]
    known = tuple(edge for edge in along_patch if edge is not None)
    return known if len(known) == len(along_patch) else ()


def leaves_unknown(settings: ResolvedSettings, cases: Sequence[PreparedCase]) -> bool:
    """Tells whether some case's labels leave classes unknown that the loss must not count."""
    marginal = settings.training.partial_labels == "marginal"
    return marginal and any(case.not_annotated for case in cases)
