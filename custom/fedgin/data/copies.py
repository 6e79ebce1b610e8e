"""The same scan under two patients: where one trains and the other measures, it leaks."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence

from fedgin.data.sources import Case
from fedgin.sites.lookup import Site

logger = logging.getLogger(__name__)


def warn_of_copies(
    site: Site, splits: Mapping[str, Sequence[Case]], hashes: Mapping[str, str]
) -> None:
    """Warns in the log of scans that stand under several patients in several splits.

    Args:
        site: The site.
        splits: Its cases by split.
        hashes: Hash of each case's image, by case name; cases without one are not judged.
    """
    same: defaultdict[str, list[tuple[str, Case]]] = defaultdict(list)
    for split, cases in splits.items():
        for case in cases:
            if case.name in hashes:
                same[hashes[case.name]].append((split, case))
    for group in same.values():
        if len({case.patient for _, case in group}) > 1 and len({split for split, _ in group}) > 1:
            logger.warning(
                "site %s: the same scan stands under different patients in different splits: %s; "
                "give them one patient or remove all but one (`fedgin check` finds more of the "
                "kind)",
                site.name,
                ", ".join(f"{case.name} ({split})" for split, case in group),
            )
