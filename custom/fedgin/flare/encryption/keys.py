"""The keys of an encrypted job: those of the kit, or throw-away ones in FLARE's simulator."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Literal

from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext
from nvflare.fuel.sec.security_content_service import SecurityContentService
from nvflare.widgets.widget import Widget

from fedgin.encryption.backend import load_tenseal
from fedgin.encryption.contexts import CLIENT_FILE, SERVER_FILE, make_contexts
from fedgin.errors import ConfigError, FedginError, Problem
from fedgin.files import write_atomically

SIMULATED_JOB = "simulate_job"
"""The name that FLARE's simulator gives to its job; those of a federation are UUIDs."""
SIMULATED_KEYS = "simulated_keys"
"""Folder of the throw-away keys in a simulator's workspace."""


class EncryptionKeys(Widget):
    """Sees to it that a participant has the keys that its part of an encrypted job needs.

    It must be the first entry of the configuration: FLARE's own components look for the keys when
    the run starts, and do not say what is missing. In the simulator, where all participants are one
    user, the first one there draws keys for this run; they lie in the workspace and are removed
    with it. Anywhere else nothing is ever drawn: a kit without keys is refused.
    """

    def __init__(self, role: Literal["server", "client"]) -> None:
        """Says whose keys to look for.

        Raises:
            ConfigError: The role is unknown, or tenseal is not installed.
        """
        super().__init__()
        if role not in ("server", "client"):
            raise ConfigError(
                Problem(
                    "argument 'role' of EncryptionKeys",
                    "it must be 'server' or 'client'",
                    repr(role),
                    "correct the job's configuration",
                )
            )
        load_tenseal()
        self._role = role

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Makes or checks the keys when the run starts; the server stops a job without them."""
        if event_type != EventType.START_RUN:
            return
        try:
            if in_simulator(fl_ctx):
                self._simulate(fl_ctx)
            load_context(self._role, fl_ctx)
        except FedginError as error:
            if self._role == "server":
                self.system_panic(str(error), fl_ctx)
            else:  # FLARE's decryptor then refuses every task, and this says why.
                self.log_error(fl_ctx, f"refused: {error}", fire_event=False)

    def _simulate(self, fl_ctx: FLContext) -> None:
        root = Path(fl_ctx.get_engine().get_workspace().get_root_dir()).parent
        keys = simulated_keys(root / SIMULATED_KEYS)
        name = context_file(self._role)
        startup = Path(SecurityContentService.content_folder)
        write_atomically(startup / name, (keys / name).read_bytes())
        self.log_info(fl_ctx, f"simulator: throw-away keys from {keys}", fire_event=False)


def context_file(role: str) -> str:
    """Returns the name of a participant's context in its kit's `startup` folder."""
    return SERVER_FILE if role == "server" else CLIENT_FILE


def in_simulator(fl_ctx: FLContext) -> bool:
    """Tells the simulator from a federation, whose jobs have names that nobody can choose."""
    secure = bool(fl_ctx.get_prop(FLContextKey.SECURE_MODE, False))
    return fl_ctx.get_job_id() == SIMULATED_JOB and not secure


def simulated_keys(folder: Path) -> Path:
    """Draws keys into a folder, unless another participant was first.

    Returns:
        The folder, with both contexts.
    """
    if not folder.is_dir():
        contexts = make_contexts()
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            made = Path(temporary) / folder.name
            made.mkdir(mode=0o700)
            (made / CLIENT_FILE).write_bytes(contexts.client)
            (made / SERVER_FILE).write_bytes(contexts.server)
            try:
                made.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
    return folder


def load_context(role: str, fl_ctx: FLContext) -> Any:
    """Loads a participant's context from its kit, by FLARE's own function.

    Returns:
        tenseal's context.

    Raises:
        ConfigError: The kit has none, or not with its signature; the server's has the secret key,
            or a site's lacks it.
    """
    from nvflare.app_opt.he.homomorphic_encrypt import load_tenseal_context_from_workspace

    name = context_file(role)
    try:
        context = load_tenseal_context_from_workspace(name, fl_ctx)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(
            Problem(
                f"startup/{name}",
                "an encrypted job needs the kit's signed encryption context",
                str(error),
                "provision the federation with poc/provision/project_he.yml",
            )
        ) from None
    if context.has_secret_key() != (role == "client"):
        raise ConfigError(
            Problem(
                f"startup/{name}",
                "sites hold the secret key and the server never does",
                f"a {role}'s context {'with' if role == 'server' else 'without'} the secret key",
                "provision new kits, with new keys",
            )
        )
    return context
