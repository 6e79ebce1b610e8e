"""A network that was trained: right and sure of what it knows, warned of where it does not."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scans import CPU

from fedgin.data.export_phantom import export_phantoms
from fedgin.data.prepare import prepare_site
from fedgin.engine.pooled import PooledTraining
from fedgin.predict.case import Choices, Prediction, predict_case
from fedgin.predict.inputs import Input
from fedgin.predict.model import LoadedModel, load_model
from fedgin.release.from_record import Origin, make_card
from fedgin.release.model_file import pack_weights, weights_facts, write_release
from fedgin.settings import make_settings
from fedgin.sites.lookup import load_site
from released_models import make_record

SITE = """\
modality: CT
dataset: {kind: phantom, protocol: portal-venous, seed: 1, cases: 8}
split: {by: fraction, validation: 0.25, test: 0, seed: 0}
device: cpu
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """Trained on CT of one protocol alone, without intensity augmentation."""
    folder = tmp_path_factory.mktemp("trained")
    settings = make_settings(
        task="heart",
        channels=[16, 32, 64, 128],
        augmentation="none",
        batch_size=4,
        learning_rate=4e-3,
        steps_per_round=60,
        warmup=0.1,
    )
    (folder / "site-1.yaml").write_text(SITE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDGIN_SITE_CONFIGS", str(folder))
        prepared = prepare_site(load_site("site-1"), settings)
    run = PooledTraining(sites=[prepared], settings=settings).run(rounds=4, folder=folder)
    content = pack_weights(run.last)
    facts = weights_facts(run.last, content)
    card = make_card(make_record(), settings=settings, model="best", weights=facts, origin=Origin())
    write_release(folder / "release", content, card)
    return load_model(folder / "release", device=CPU)


def predict(
    model: LoadedModel, folder: Path, modality: str, protocol: str
) -> tuple[Prediction, float]:
    """Segments a patient that the model has not seen; returns the Dice as well."""
    (name,) = export_phantoms(
        folder, task="heart", modality=modality, protocol=protocol, seed=77, indices=[0]
    )
    found = predict_case(model, Input(name, folder / f"images/{name}.nii.gz", "nifti"), Choices())
    truth = np.asarray(nib.load(folder / f"labels/{name}.nii.gz").dataobj)
    heart, mine = (truth >= 1) & (truth <= 5), found.label > 0
    return found, float(2 * (heart & mine).sum() / (heart.sum() + mine.sum()))


@pytest.mark.slow
def test_warnings_tell_what_the_model_knows_from_what_it_does_not(
    model: LoadedModel, tmp_path: Path
) -> None:
    known, dice = predict(model, tmp_path, "CT", "portal-venous")
    assert dice > 0.8
    assert known.organs[0].status in ("ok", "cut_off")
    assert [flag.code for flag in known.flags] == ["cut_off"] * (known.organs[0].status != "ok")
    unknown, dice = predict(model, tmp_path, "MR", "t1")
    assert dice < 0.6
    assert "high_uncertainty" in [flag.code for flag in unknown.flags]
