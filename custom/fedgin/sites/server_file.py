"""The server's own file: where checkpoints are kept. It stays at the server, as a site's does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from fedgin.config import StrictModel, parse, read_mapping
from fedgin.sites.folders import expand_variables
from fedgin.sites.lookup import candidate_files

SERVER_FILE = "server"


class ServerConfig(StrictModel):
    """What a server's own file, `server.yaml`, may say.

    Attributes:
        checkpoints: Folder for checkpoints, which must outlive the run's own folder; `${NAME}`
            stands for an environment variable. By default the run's own folder.
        keep: Checkpoints of a run that are kept; older ones are removed.
    """

    checkpoints: str | None = None
    keep: Annotated[int, Field(ge=1)] = 2

    @field_validator("checkpoints")
    @classmethod
    def _expand(cls, folder: str | None) -> str | None:
        return None if folder is None else expand_variables(folder)


def load_server_config(*, local_folder: Path | None = None) -> ServerConfig:
    """Reads `server.yaml` from where site files are looked for; without one all is default.

    Args:
        local_folder: The `local` folder of the server's FLARE kit, where there is one.

    Raises:
        ConfigError: The file breaks the schema.
    """
    for file in candidate_files(SERVER_FILE, local_folder=local_folder):
        if file.is_file():
            return parse(ServerConfig, read_mapping(file), where=str(file))
    return ServerConfig()
