"""Differentially private steps (DP-SGD; Abadi et al., CCS 2016, arXiv 1607.00133).

Each step takes every unit with probability q, independent of all others and unknown to anybody;
computes the unit's own gradient, that of the loss over its patches; clips it as a whole to norm C;
adds the clipped gradients up; and adds normal noise of standard deviation z C to every element,
where no unit was taken, too. The sum is divided by the setting `batch_size`, a constant: the number
of units is data. What optimizer and algorithm make of it costs nothing more.

What holds: whatever is made of the weights after any step, (epsilon, delta) of `sgd_epsilon` bounds
what it can say about one unit: whether it is among the site's training data or not, all else
equal. It holds against everybody, the server included, for the rounds of one run.
- unit `slice`: one axial slice of a prepared volume. A patient has many slices, and no useful bound
  for a patient follows. Preparing a volume (resampling, the z-score of MR) mixes its slices before
  they are units: a slice as the scanner gave it is not protected exactly.
- unit `patient`: all cases of one patient, prepared on their own. Its patches, and the structures
  that they are centred on, are chosen by its own data alone; the clipped gradient holds them all.

Partial labels change none of this: which classes a site annotates is no patient's data, and a
teacher (`fedgin.engine.teacher`) has the weights that the round started from and says of a unit's
patches what follows from these alone.

What lies outside: metrics (losses, Dice, pictures, that a round was refused), the numbers of cases
and slices, validation and test patients, other runs on the same data (their epsilons add up), and
whatever was decided by looking at the data (settings, patch size). The arithmetic is that of
floating point, whose gaps the theory does not cover.

Who takes part, the patches, their augmentation and the noise come from the operating system and
never from the run's seed: the server knows the seed, and could take the noise off. So two private
runs never give the same weights.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from fedgin.data.prepare import PreparedCase
from fedgin.data.units import ProtectedUnits
from fedgin.engine.batches import leaves_unknown
from fedgin.engine.sgd_account import PrivacySpent, SgdAccount
from fedgin.engine.unit_gradients import ClippedSum, Loss, patch_gradients, whole_gradient
from fedgin.errors import ConfigError, Problem
from fedgin.privacy.secure_normal import NormalSource, SecureNormal
from fedgin.seeding import numpy_generator, torch_generator
from fedgin.settings import ResolvedSettings

SECRET_BITS = 128


class Augment(Protocol):
    """Brings a batch to the device and augments it."""

    def __call__(
        self, images: Tensor, labels: Tensor, *, generator: Callable[..., torch.Generator]
    ) -> tuple[Tensor, Tensor]:
        """Returns images (views * B, 1, *patch) and labels (B, 1, *patch)."""


Context = Callable[[Tensor, Tensor | None], Mapping[str, Tensor]]
"""From images and the known classes of each sample to what the loss is told of them."""


def known_only(images: Tensor, known: Tensor | None) -> Mapping[str, Tensor]:
    """Tells the loss which classes are known, where not all are."""
    return {} if known is None else {"known": known}


class PrivateSteps:
    """Puts the noisy sum of clipped gradients where an optimizer finds it."""

    def __init__(
        self,
        *,
        settings: ResolvedSettings,
        network: nn.Module,
        loss: Loss,
        cases: Sequence[PreparedCase],
        augment: Augment,
        context: Context = known_only,
        noise: NormalSource | None = None,
        secret: Callable[[], int] | None = None,
    ) -> None:
        """Sets what the steps work on.

        Args:
            settings: Settings of a run with `dp_sgd`.
            network: The network, without layers that see across a batch.
            loss: From scores and labels to a scalar.
            cases: The site's training cases.
            augment: From patches to a batch.
            context: What the loss is told of a batch beside scores and labels.
            noise: What the noise is drawn from; by default the operating system.
            secret: Gives the seed of every other draw; by default from the operating system.

        Raises:
            ConfigError: The settings are not private, or a library is missing.
        """
        if settings.training.dp_sgd is None:
            raise ConfigError(
                Problem("key 'dp_sgd'", "private steps need it", "null", "set its values")
            )
        self._settings = settings.training.dp_sgd
        _check_libraries(self._settings.unit)
        self._geometry = settings.geometry
        self._foreground_fraction = settings.training.foreground_fraction
        self._network = network
        self._loss = loss
        self._cases = cases
        self._augment = augment
        self._context = context
        self._class_names = settings.task.class_names
        self._marks_unknown = leaves_unknown(settings, cases)
        self._noise = noise or SecureNormal()
        self._secret = secret or partial(secrets.randbits, SECRET_BITS)

    @cached_property
    def _units(self) -> ProtectedUnits:
        return ProtectedUnits(
            self._cases,
            unit=self._settings.unit,
            patch_size=self._geometry.patch_size,
            foreground_fraction=self._foreground_fraction,
        )

    def check(self, state_folder: Path, *, round_number: int, steps: int) -> None:
        """Checks before a round that delta says something and that the budget allows it.

        Raises:
            ConfigError: Delta is so large that a unit could be published whole.
            PrivacyBudgetError: The round would cost too much.
        """
        if self._settings.delta * len(self._units) >= 1:
            raise ConfigError(
                Problem(
                    "key 'dp_sgd.delta'",
                    f"it must be less than one over the number of units ({self._settings.unit}s)",
                    f"{self._settings.delta:g} with {len(self._units)}",
                    "lower it, to 1e-5 or less",
                )
            )
        SgdAccount(state_folder, self._settings).check(round_number=round_number, steps=steps)

    def spend(self, state_folder: Path, *, round_number: int, steps: int) -> PrivacySpent:
        """Counts a round; see `SgdAccount.spend`."""
        account = SgdAccount(state_folder, self._settings)
        return account.spend(round_number=round_number, steps=steps)

    def set_gradients(self) -> Tensor | None:
        """Computes one step's gradient and puts it into the parameters' `grad`.

        Returns:
            The mean loss of the units that took part, on the device; None where there were none.
        """
        total, losses = self.clipped_sum(self.draw_units())
        self._set_noisy(total)
        return torch.cat(losses).mean() if losses else None

    def draw_units(self) -> list[int]:
        """Draws who takes part in a step: each unit alike, independent of the others."""
        draws = np.random.default_rng(self._secret()).random(len(self._units))
        return [int(index) for index in np.flatnonzero(draws < self._settings.sampling_rate)]

    def clipped_sum(self, units: Sequence[int]) -> tuple[ClippedSum, list[Tensor]]:
        """Adds up the clipped gradients of given units.

        Returns:
            The sum without noise, and the units' losses in pieces of shape (n,).
        """
        total = ClippedSum(self._parameters, max_norm=self._settings.max_grad_norm)
        losses = []
        if self._settings.unit == "patient":
            pieces = [[unit] for unit in units]
            gradients_of = whole_gradient
        else:
            size = self._geometry.batch_size
            pieces = [list(units[start : start + size]) for start in range(0, len(units), size)]
            gradients_of = patch_gradients
        for piece in pieces:
            # Every unit is drawn and augmented on its own: none has a say in another's batch.
            batches = [self._batch(unit) for unit in piece]
            images, labels, known = (torch.cat(parts) for parts in zip(*batches, strict=True))
            told = self._context(images, known if self._marks_unknown else None)
            gradients, loss = gradients_of(self._network, self._loss, images, labels, told)
            total.add(gradients)
            losses.append(loss)
        return total, losses

    @property
    def _parameters(self) -> list[nn.Parameter]:
        return [p for p in self._network.parameters() if p.requires_grad]

    def _batch(self, unit: int) -> tuple[Tensor, Tensor, Tensor]:
        secret = self._secret()
        sampler = self._units.sampler(unit)
        places = sampler.draw(
            self._settings.patches_per_unit, generator=numpy_generator(secret, "patches")
        )
        images, labels = self._augment(
            *sampler.cut(places), generator=partial(torch_generator, secret)
        )
        known = sampler.known(places, class_names=self._class_names)
        return images, labels, known.to(labels.device)

    @torch.no_grad()
    def _set_noisy(self, total: ClippedSum) -> None:
        deviation = self._settings.noise_multiplier * self._settings.max_grad_norm
        parameters = self._parameters
        noise = self._noise.standard_normal(sum(p.numel() for p in parameters))
        parts = torch.from_numpy(noise * deviation).split([p.numel() for p in parameters])
        for parameter, clipped, part in zip(parameters, total.sums, parts, strict=True):
            noisy = clipped + part.view(parameter.shape).to(clipped.device)
            parameter.grad = (noisy / self._geometry.batch_size).to(parameter.dtype)


def build_private_steps(
    *,
    settings: ResolvedSettings,
    network: nn.Module,
    loss: Loss,
    cases: Sequence[PreparedCase],
    augment: Augment,
    context: Context = known_only,
) -> PrivateSteps | None:
    """Builds the private steps of a run, or None where its settings ask for none.

    Raises:
        ConfigError: A library is missing.
    """
    if settings.training.dp_sgd is None:
        return None
    return PrivateSteps(
        settings=settings,
        network=network,
        loss=loss,
        cases=cases,
        augment=augment,
        context=context,
    )


def _check_libraries(unit: str) -> None:
    """Checks that what the extra `dp` brings is there, before anything is trained."""
    try:
        import dp_accounting  # noqa: F401

        if unit == "slice":
            import opacus  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            Problem(
                "key 'dp_sgd'",
                "private training needs dp-accounting, and Opacus for unit slice",
                str(error),
                "pip install opacus dp-accounting where this site runs",
            )
        ) from None
