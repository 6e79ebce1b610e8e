"""Refusing updates that are far larger than those before them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np


class NormGate:
    """Compares the norms of a round's updates with the running median.

    A norm is refused when it exceeds `factor` times the median over the norms accepted so far and
    those of the round itself. In the first round the round's own median decides. The round counts
    so that sites whose updates grow together are not refused together.

    While fewer than half of a round's sites deviate, in every round, the median lies between the
    smallest and the largest honest norm, and what is accepted is at most `factor` times the
    latter. Two sites that differ in their first round have no majority: the median is the middle
    between them, and neither is refused where the factor is 2 or more.

    The decision depends on the norms alone, not on the order in which they came.
    """

    def __init__(self, *, factor: float = 5.0, accepted: Iterable[float] = ()) -> None:
        """Sets the limit and the past.

        Args:
            factor: Multiple of the median up to which norms are accepted, above 1.
            accepted: Norms accepted in earlier rounds.

        Raises:
            ValueError: The factor is not above 1.
        """
        if not factor > 1:
            raise ValueError(f"the factor must be above 1; found {factor}")
        self._factor = factor
        self._accepted = list(accepted)

    @property
    def accepted(self) -> tuple[float, ...]:
        """All norms accepted so far."""
        return tuple(self._accepted)

    def check(self, norms: Mapping[str, float]) -> dict[str, str]:
        """Closes a round: tells which updates are too large, and remembers the others' norms.

        Args:
            norms: By site the norm of its update, at least 0.

        Returns:
            By site refused the reason, sites in the order of their names.
        """
        finite = [norm for norm in norms.values() if np.isfinite(norm)]
        known = [*self._accepted, *finite]
        median = float(np.median(known)) if known else 0.0
        # No comparison with nan is true, so that nan is refused.
        fits = {site for site, norm in norms.items() if norm <= self._factor * median < np.inf}
        self._accepted += [norms[site] for site in sorted(fits)]
        return {
            site: f"norm {norms[site]:.4g} is above {self._factor:g} times the running median "
            f"{median:.4g}"
            for site in sorted(norms.keys() - fits)
        }
