"""Data below a root."""

from __future__ import annotations

from pathlib import Path

from pydantic import field_validator

from fedgin.config import StrictModel
from fedgin.sites.folders import expand_variables


class RootedData(StrictModel):
    """A site's data in files.

    Attributes:
        root: Data root, which no path leaves; `${NAME}` stands for an environment variable. One
            that does not begin at `/` lies below the folder that the command was started in.
        exclude: Names of cases that are left out.
    """

    root: str
    exclude: tuple[str, ...] = ()

    @field_validator("root")
    @classmethod
    def _expand(cls, root: str) -> str:
        return expand_variables(root)

    @property
    def folder(self) -> Path:
        """The data root as a path."""
        return Path(self.root).expanduser()

    @property
    def told_root(self) -> str:
        """The data root for a refusal: where it was looked for, and from where."""
        if self.folder.is_absolute():
            return f"'{self.folder}'"
        return f"'{Path.cwd() / self.folder}' ('{self.root}' below the current folder)"

    @property
    def mend_of_root(self) -> str:
        """What to do about a root that is not there."""
        if self.folder.is_absolute():
            return "correct the path or mount the data"
        return "write the whole path, from '/' on, or start the command in another folder"
