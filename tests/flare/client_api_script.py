"""The same engine behind FLARE's Client API instead of a Learner: a loop over tasks.

Start: a task script of FLARE's ClientAPIExecutor, with the job's settings file as argument.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nvflare.client as flare
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType

from fedgin.engine.site_work import SiteWork
from fedgin.flare.site_meta import meta_values
from fedgin.settings import read_settings
from fedgin.sites.lookup import load_site
from fedgin.threads import set_threads


def main(settings_file: Path, run_folder: Path) -> None:
    """Serves train and evaluate tasks until the job ends."""
    flare.init()
    site = load_site(flare.get_site_name())
    set_threads(site.config.threads)
    settings = read_settings(settings_file)
    work = SiteWork(site=site, settings=settings, run_folder=run_folder / site.name)
    modality = work.site.config.modality
    while flare.is_running():
        model = flare.receive()
        if model is None:
            break
        evaluation = work.validate(model.params)
        metrics = {"modality": modality, "validation": work.metrics(evaluation)}
        if flare.is_evaluate():
            metrics["test"] = work.metrics(work.test(model.params))
            flare.send(FLModel(metrics=metrics))
            continue
        result = work.train(
            model.params,
            round_number=model.current_round,
            rounds=model.total_rounds,
            validation_dice=evaluation.mean(),
        )
        flare.send(
            FLModel(
                params=result.difference,
                params_type=ParamsType.DIFF,
                metrics=metrics,
                meta=meta_values(work.facts),
            )
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
