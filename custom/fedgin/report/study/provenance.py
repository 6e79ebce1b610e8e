"""Where a study's numbers come from: its sites, runs, failures and versions as tables."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from fedgin.augment.presets import PRESETS
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


def commands(record: Mapping[str, Any]) -> list[str]:
    """Lists the commands that contributed runs, the last one last."""
    return list(record.get("commands", [record["command"]]))


def shared_settings(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the training settings without those that a run's plan or augmentation sets.

    Args:
        record: The study's record: its `settings` and its `runs`.
    """
    settings = copy.deepcopy(dict(record.get("settings", {})))
    for name in ("seed", "algorithm", "augmentation"):
        settings.pop(name, None)
    for name in {run["augmentation"] for run in record["runs"]}:
        _remove(settings, PRESETS.get(name, {}))
    if any(run["regime"] == "fine-tuned" for run in record["runs"]):
        settings.pop("learning_rate", None)
    return settings


def differing_settings(record: Mapping[str, Any]) -> str:
    """Says in a sentence what the shared settings leave out, and where it stands."""
    text = (
        "Augmentation, algorithm and seed, and what an augmentation's name itself sets, differ by "
        "run: see the table of runs."
    )
    rate = record.get("settings", {}).get("learning_rate")
    if rate is not None and any(run["regime"] == "fine-tuned" for run in record["runs"]):
        text += f" So does the learning rate: {rate:g}, but for fine-tuned runs, which have less."
    return text


def _remove(settings: MutableMapping[str, Any], names: Mapping[str, Any]) -> None:
    """Takes out of nested settings every value that other nested settings name."""
    for name, value in names.items():
        if isinstance(value, Mapping) and isinstance(settings.get(name), dict):
            _remove(settings[name], value)
        else:
            settings.pop(name, None)
