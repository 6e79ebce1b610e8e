"""Refusing updates that are far larger than others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np


class NormGate:
    """Compares the norms of a round's updates with the running median.

    A norm is refused when it exceeds `factor` times the running median, which is the median of the
    norms accepted in the last rounds, or that of the round's own norms where this is smaller. The
    round's own counts because norms fall as the learning rate does: an attack of ten times
    the honest norm of a late round need not stand out among those of the first. In the first round
    it decides alone.

    While fewer than half of a round's sites deviate, the round's median lies between its smallest
    and its largest honest norm, and what is accepted is at most `factor` times the latter. Past
    norms matter where there is no such majority, as with two sites. In their first round two sites
    have no past either: the median is the middle between them, and neither is refused where the
    factor is 2 or more. Where honest norms rise to more than `factor` times the running median all
    are refused; norms that differ by less than `factor`, over the sites and the last rounds, are
    not.

    The decision depends on the norms alone, not on the order in which they came.
    """

    def __init__(
        self,
        *,
        factor: float = 5.0,
        rounds: int = 3,
        accepted: Iterable[Sequence[float]] = (),
    ) -> None:
        """Sets the limit and the past.

        Args:
            factor: Multiple of the median up to which norms are accepted, above 1.
            rounds: Past rounds that count, at least 1. Rounds in which nothing was accepted do
                not.
            accepted: By earlier round, the oldest first, the norms that were accepted.

        Raises:
            ValueError: The factor is not above 1, or `rounds` not at least 1.
        """
        if not factor > 1:
            raise ValueError(f"the factor must be above 1; found {factor}")
        if rounds < 1:
            raise ValueError(f"at least one round must count; found {rounds}")
        self._factor = factor
        self._rounds = rounds
        self._accepted = [tuple(norms) for norms in accepted if norms]

    @property
    def accepted(self) -> tuple[tuple[float, ...], ...]:
        """The norms accepted in the rounds that count, the oldest first."""
        return tuple(self._accepted[-self._rounds :])

    def check(self, norms: Mapping[str, float]) -> dict[str, str]:
        """Closes a round: tells which updates are too large, and remembers the others' norms.

        Args:
            norms: By site the norm of its update, at least 0.

        Returns:
            By site refused the reason, sites in the order of their names.
        """
        median = self._running_median([norm for norm in norms.values() if np.isfinite(norm)])
        # No comparison with nan is true, so that nan is refused.
        fits = {site for site, norm in norms.items() if norm <= self._factor * median < np.inf}
        if fits:
            self._accepted.append(tuple(norms[site] for site in sorted(fits)))
        return {
            site: f"norm {norms[site]:.4g} is above {self._factor:g} times the running median "
            f"{median:.4g}"
            for site in sorted(norms.keys() - fits)
        }

    def _running_median(self, present: Sequence[float]) -> float:
        past = [norm for norms in self.accepted for norm in norms]
        medians = [float(np.median(norms)) for norms in (present, past) if norms]
        return min(medians, default=0.0)
