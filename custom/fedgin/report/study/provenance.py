"""Where a study's numbers come from: its sites, runs, failures and versions as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedgin.report.study.cells import Table
from fedgin.report.study.labels import augmentation_label
from fedgin.study.arms import Arm

Entry = Mapping[str, Any]


def site_table(sites: Sequence[Entry]) -> Table:
    """Sites with their numbers of patients."""
    return Table(
        caption="Sites and their patients",
        header=(
            "site",
            "modality",
            "role",
            "data",
            "to train",
            "to validate",
            "to test",
            "not annotated",
        ),
        rows=tuple(
            (
                site["name"],
                site["modality"],
                "unseen hospital" if site["role"] == "unseen" else "training site",
                site.get("description", ""),
                *(str(site["patients"].get(part, 0)) for part in ("train", "validation", "test")),
                ", ".join(site.get("not_annotated", ())) or "nothing",
            )
            for site in sites
        ),
        labels=4,
    )


def run_table(runs: Sequence[Entry]) -> Table:
    """Runs by way of training and augmentation."""
    groups: dict[tuple[Arm, str], list[Entry]] = {}
    for run in runs:
        arm = Arm(run["regime"], run["algorithm"])
        groups.setdefault((arm, run["augmentation"]), []).append(run)
    rows = []
    for (arm, augmentation), found in sorted(groups.items(), key=lambda item: item[0][0].rank):
        done = [run for run in found if run["status"] == "done"]
        steps = sorted({run["steps"] for run in done})
        rows.append(
            (
                arm.label,
                augmentation_label(augmentation),
                f"{len(done)} of {len(found)}",
                " to ".join(f"{n:,}" for n in dict.fromkeys((steps[0], steps[-1])))
                if steps
                else "none",
                f"{sum(run['seconds'] for run in found):,.0f}",
            )
        )
    return Table(
        caption="Runs; optimizer steps of a run are those of all its sites together",
        header=("training", "augmentation", "done", "steps of a run", "seconds in total"),
        rows=tuple(rows),
        labels=2,
    )


def failure_table(failures: Sequence[Entry]) -> Table:
    """Runs that failed, with what went wrong."""
    return Table(
        caption="Runs that failed",
        header=("run", "error"),
        rows=tuple((run["id"], run.get("error") or "no reason was recorded") for run in failures),
        labels=2,
    )


def version_table(versions: Mapping[str, str]) -> Table:
    """Versions of the software."""
    return Table(
        caption="Software",
        header=("package", "version"),
        rows=tuple((name, str(version)) for name, version in versions.items()),
        labels=2,
    )
