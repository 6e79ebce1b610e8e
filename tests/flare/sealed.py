"""Encrypted updates as sites send them, by FLARE's own encryptor and our filters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from nvflare.apis.dxo import from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey, ReservedKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_opt.he.model_decryptor import HEModelDecryptor
from nvflare.app_opt.he.model_encryptor import HEModelEncryptor
from nvflare.fuel.sec.security_content_service import (
    SecurityContentManager,
    SecurityContentService,
)

from fedgin.encryption.contexts import CLIENT_FILE, SERVER_FILE, Contexts
from fedgin.flare.encryption.site_filters import CiphertextOnly, PackUpdate, UnpackModel

from .test_aggregator import Engine

SETTINGS = {"task": "heart", "channels": [4, 8], "patch_size": [32, 32]}


class EventEngine(Engine):
    """An engine that hears events, as FLARE's does, and keeps why the job was stopped."""

    panics: list[str]

    def fire_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Takes note of a stop."""
        if event_type == EventType.FATAL_SYSTEM_ERROR:
            self.panics.append(str(fl_ctx.get_prop(FLContextKey.EVENT_DATA)))


@dataclass(frozen=True)
class Kits:
    """A server's and a site's `startup` folder, and which of them FLARE looks into."""

    server: Path
    site: Path
    monkeypatch: pytest.MonkeyPatch

    def use(self, kit: Path) -> None:
        """Lets FLARE load contexts from this kit."""
        manager = SecurityContentManager(str(kit))
        self.monkeypatch.setattr(SecurityContentService, "security_content_manager", manager)
        self.monkeypatch.setattr(SecurityContentService, "content_folder", str(kit))


def make_kits(folder: Path, keys: Contexts, monkeypatch: pytest.MonkeyPatch) -> Kits:
    """Writes both kits."""
    kits = Kits(server=folder / "server", site=folder / "site", monkeypatch=monkeypatch)
    for kit, name, content in (
        (kits.server, SERVER_FILE, keys.server),
        (kits.site, CLIENT_FILE, keys.client),
    ):
        kit.mkdir()
        (kit / name).write_bytes(content)
    return kits


def with_job(fl_ctx: FLContext, folder: Path, *, secure: bool = False) -> FLContext:
    """Gives a context a job with a tiny network, and an engine that hears events."""
    engine = EventEngine(fl_ctx.get_engine().get_workspace())
    engine.panics = []
    fl_ctx.set_prop(ReservedKey.ENGINE, engine, private=True, sticky=False)
    config = folder / "app" / "config"
    config.mkdir(parents=True)
    (config / "training.json").write_text(json.dumps(SETTINGS))
    fl_ctx.set_prop(FLContextKey.APP_ROOT, str(folder / "app"), private=True, sticky=False)
    fl_ctx.set_prop(FLContextKey.SECURE_MODE, secure, private=True, sticky=False)
    fl_ctx.set_peer_context(FLContext())
    return fl_ctx


def seal(shareable: Shareable, fl_ctx: FLContext, kits: Kits) -> Shareable:
    """Sends a result through a site's filters."""
    kits.use(kits.site)
    encryptor = HEModelEncryptor(weigh_by_local_iter=False)
    encryptor.handle_event(EventType.START_RUN, fl_ctx)
    for each in (PackUpdate(), encryptor, CiphertextOnly()):
        shareable = each.process(shareable, fl_ctx)
    return shareable


def open_model(shareable: Shareable, fl_ctx: FLContext, kits: Kits) -> dict[str, np.ndarray]:
    """Sends a task through a site's filters and returns the weights that the Learner gets."""
    kits.use(kits.site)
    for each in (HEModelDecryptor(), UnpackModel()):
        shareable = each.process(shareable, fl_ctx)
    weights: dict[str, np.ndarray] = from_shareable(shareable).data
    return weights
