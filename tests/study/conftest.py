"""A real study, small: run once per session by the command itself and shared by the tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_study import SMALL, SmallStudy, run_study, write_site


@pytest.fixture(scope="session")
def study_sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two training sites and two unseen hospitals, one of which annotates nothing of the task."""
    folder = tmp_path_factory.mktemp("study_sites")
    write_site(folder, "site-1", modality="CT", protocol="arterial", seed=1)
    write_site(folder, "site-2", modality="MR", protocol="bssfp", seed=2)
    write_site(folder, "far", modality="MR", protocol="t1", seed=3, cases=2)
    blank = "labels: {}\nother_labels: [1, 2, 3, 4, 5]\n"
    write_site(folder, "blank", modality="CT", protocol="native", seed=4, cases=1, more=blank)
    return folder


@pytest.fixture(scope="session")
def small_study(study_sites: Path, tmp_path_factory: pytest.TempPathFactory) -> SmallStudy:
    """Local, federated and fine-tuned models, without augmentation and with GIN."""
    arguments = (
        *("--task", "heart", "--sites", "site-1,site-2", "--unseen", "far,blank"),
        *("--regimes", "local,federated,fine-tuned", "--augmentations", "none,gin"),
        *SMALL,
    )
    folder = tmp_path_factory.mktemp("study") / "out"
    return run_study(folder, arguments, site_configs=study_sites)
