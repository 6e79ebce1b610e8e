"""Measuring a study's model on every site's test patients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fedgin.data.prepare import PreparedCase, PreparedSite, prepare_site
from fedgin.engine.evaluator import Evaluation
from fedgin.engine.patient_scores import PatientScore, patient_scores
from fedgin.engine.trainer import Trainer
from fedgin.engine.weights import Weights
from fedgin.settings import ResolvedSettings
from fedgin.sites.lookup import Site
from fedgin.sites.splits import SlabSplit
from fedgin.study.definition import StudyDefinition
from fedgin.study.plan import PlannedRun
from fedgin.study.rows import Row


def prepare_training_sites(
    definition: StudyDefinition, settings: ResolvedSettings
) -> dict[str, PreparedSite]:
    """Opens the sites of the study federation, by name."""
    return {site.name: prepare_site(site, settings) for site in definition.training_sites}


def prepare_unseen_sites(
    definition: StudyDefinition, settings: ResolvedSettings
) -> dict[str, PreparedSite]:
    """Opens the unseen hospitals, by name; they may lack structures of the task."""
    return {
        site.name: prepare_site(site, settings, partial=True, trains=False)
        for site in definition.unseen_sites
    }


def unseen_cases(data: PreparedSite) -> Sequence[PreparedCase]:
    """Lists the cases of a hospital that never trains: all of them are there to test."""
    if isinstance(data.site.config.split, SlabSplit):
        return data.splits["test"]  # the slabs are parts of the same volumes
    return [case for cases in data.splits.values() for case in cases]


def measure(trainer: Trainer, weights: Weights, cases: Sequence[PreparedCase]) -> Evaluation:
    """Measures weights on whole volumes, surfaces too."""
    return trainer.evaluate(weights, cases, surfaces=True)


def rows_of(
    run: PlannedRun, scores: Iterable[PatientScore], *, unseen_sites: Sequence[Site]
) -> list[Row]:
    """Turns a run's scores into rows of the study."""
    unseen = {site.name for site in unseen_sites}
    return [
        Row(
            regime=run.regime,
            augmentation=run.augmentation,
            algorithm=run.algorithm,
            seed=run.seed,
            train_sites="+".join(run.train_sites),
            test_site=score.site,
            role="unseen" if score.site in unseen else "training",
            modality=score.modality,
            patient=score.patient,
            class_name=score.score.class_name,
            metric=score.score.metric,
            value=score.score.value,
            status=score.score.status,
        )
        for score in scores
    ]


def measure_unseen(
    definition: StudyDefinition, trainer: Trainer, weights: Weights
) -> list[PatientScore]:
    """Measures weights on the unseen hospitals."""
    sites = prepare_unseen_sites(definition, trainer.settings)
    cases = [case for data in sites.values() for case in unseen_cases(data)]
    return patient_scores(measure(trainer, weights, cases))
