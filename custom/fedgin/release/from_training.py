"""Releasing a model that was trained without a federation, by one site or on pooled volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fedgin.data.prepare import PreparedSite
from fedgin.engine.evaluator import Evaluation
from fedgin.engine.pooled import PooledRun
from fedgin.engine.small_groups import report_groups
from fedgin.release.from_record import Origin, make_card
from fedgin.release.model_file import pack_weights, weights_facts, write_release
from fedgin.report.run_record import RunRecord, SiteMetrics
from fedgin.settings import ResolvedSettings

RELEASE_FOLDER = "release"


def release_best(
    folder: Path,
    run: PooledRun,
    *,
    sites: Sequence[PreparedSite],
    settings: ResolvedSettings,
    validation: Mapping[str, Evaluation],
    test: Mapping[str, Evaluation],
) -> Path:
    """Writes a run's best model with its card; the last one where none was validated.

    As in a federation, the card holds no figure by class of fewer patients than a site reports.

    Args:
        folder: The run's folder.
        run: The run.
        sites: The sites that it was trained on.
        settings: Its settings.
        validation: The best model on each site's validation patients.
        test: And on each site's test patients.

    Returns:
        The folder with weights and card.

    Raises:
        OSError: The disk is full or the folder cannot be written.
    """
    names, rounds = [site.site.name for site in sites], len(run.losses)
    kind = "one site alone" if len(sites) == 1 else "pooled volumes"
    task, training = settings.task.name, settings.training
    model = "best" if run.validated else "last"
    record = RunRecord(
        title=f"{task}, {kind}, augmentation {training.augmentation}",
        planned_rounds=rounds,
        finished_rounds=rounds,
        sites=names,
        contributions=dict.fromkeys(range(rounds), names),
        final={
            model: {
                site.site.name: SiteMetrics(
                    modality=site.site.config.modality,
                    validation=_part(validation[site.site.name], site),
                    test=_part(test[site.site.name], site),
                )
                for site in sites
            }
        },
        best_round=run.best_round,
        training_slices={site.site.name: site.n_training_slices for site in sites},
    )
    content = pack_weights(run.best)
    card = make_card(
        record,
        settings=settings.without_federation(),
        model=model,
        weights=weights_facts(run.best, content),
        origin=Origin(),
    )
    write_release(folder / RELEASE_FOLDER, content, card)
    return folder / RELEASE_FOLDER


def _part(evaluation: Evaluation, site: PreparedSite) -> dict[str, Any]:
    reported = report_groups(
        per_class=evaluation.per_class(),
        patients=evaluation.patients_per_class(),
        summary={},
        smallest=site.site.config.reporting_floor,
    )
    return {**reported.message(), "cases": len(evaluation.cases)}
