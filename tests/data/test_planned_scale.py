"""CT window and MR percentile as settings: defaults change nothing, others are kept apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from site_files import make_site

from fedgin.data.cache import VolumeCache
from fedgin.data.prepare import prepare_site, site_label_map
from fedgin.data.prepare_case import PREPARATION_VERSION
from fedgin.data.preprocess import normalise
from fedgin.data.sources import list_cases
from fedgin.errors import ConfigError
from fedgin.settings import make_settings
from fedgin.sites.lookup import Site

SITES = {"site-1": ("CT", "arterial"), "site-2": ("MR", "bssfp")}
QUICK = {"task": "heart", "spacing": [6.0, 6.0, None], "patch_size": [64, 64]}


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Site]:
    """Makes a site of one phantom, with a cache of its own."""

    def make(name: str) -> Site:
        modality, protocol = SITES[name]
        dataset = {"kind": "phantom", "protocol": protocol, "seed": 1, "cases": 1}
        return make_site(tmp_path, modality=modality, dataset=dataset)

    return make


def test_the_task_s_window_and_the_usual_percentile_are_the_defaults() -> None:
    plain = make_settings(**QUICK)
    assert plain.ct_window == plain.task.ct_window == (-200.0, 500.0)
    assert plain.mr_percentile == 99.5
    changed = make_settings(**QUICK, ct_window=[-100, 300], mr_percentile=99.9)
    assert (changed.ct_window, changed.mr_percentile) == ((-100.0, 300.0), 99.9)


@pytest.mark.parametrize(
    "wrong", [{"ct_window": [300, -100]}, {"ct_window": [0]}, {"mr_percentile": 101}]
)
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        make_settings(**QUICK, **wrong)


def test_mr_is_clipped_at_the_percentile() -> None:
    image = np.random.default_rng(0).gamma(2, 50, (20, 20, 20)).astype(np.float32)
    for percentile in (90.0, 99.9):
        found = normalise(image, modality="MR", ct_window=(0, 1), mr_percentile=percentile)
        clipped = np.minimum(image, np.percentile(image, percentile))
        assert found == pytest.approx((clipped - clipped.mean()) / clipped.std(), abs=1e-4)


@pytest.mark.parametrize(
    ("name", "change"),
    [("site-1", {"ct_window": [-100, 300]}), ("site-2", {"mr_percentile": 90})],
)
def test_another_scale_is_prepared_anew_and_the_default_is_found_again(
    load: Callable[[str], Site], name: str, change: dict[str, object]
) -> None:
    site = load(name)
    plain = prepare_site(site, make_settings(**QUICK))
    changed = prepare_site(site, make_settings(**QUICK, **change))
    assert changed.prepared == 1
    image, other = (data.splits["train"][0].image for data in (plain, changed))
    assert image.shape == other.shape
    assert not np.array_equal(image, other)
    # Written out, the default is the default; the other modality's scale does not matter.
    spelled = {"ct_window": [-200, 500], "mr_percentile": 99.5}
    foreign = {"mr_percentile": 90} if name == "site-1" else {"ct_window": [-100, 300]}
    for same in (spelled, foreign):
        assert prepare_site(site, make_settings(**QUICK, **same)).prepared == 0


@pytest.mark.parametrize(("name", "window"), [("site-1", [-200.0, 500.0]), ("site-2", None)])
def test_the_key_of_a_default_is_what_it_was_before_there_were_such_settings(
    load: Callable[[str], Site], name: str, window: list[float] | None
) -> None:
    """Settings that are left alone add nothing to what a prepared volume is found by."""
    site, settings = load(name), make_settings(**QUICK)
    prepare_site(site, settings)
    case = list_cases(site, settings.task)[0]
    cache, labels = VolumeCache(site.config.cache), site_label_map(site, settings)
    facts = {
        "version": PREPARATION_VERSION,
        "modality": site.config.modality,
        "ct_window": window,
        "spacing": [6.0, 6.0, None],
        "classes": sorted(labels.class_of.items()),
        "known": sorted(labels.names.items()),
    }
    key = cache.key(content=case.content_key(cache.hashes), settings=facts)
    assert cache.find(key) is not None
