"""The adapters by name."""

from __future__ import annotations

from fedgin.config import nearest
from fedgin.data.adapters.amos22 import Amos22
from fedgin.data.adapters.base import Adapter
from fedgin.data.adapters.btcv import Btcv
from fedgin.data.adapters.chaos import ChaosCt, ChaosMr
from fedgin.data.adapters.dicom_folders import DicomFolders
from fedgin.data.adapters.folder import Folder
from fedgin.data.adapters.mmwhs import MmWhs
from fedgin.data.adapters.msd import Msd
from fedgin.data.adapters.nnunet import NnUnet
from fedgin.data.adapters.totalsegmentator import TotalSegmentatorCt, TotalSegmentatorMr
from fedgin.errors import ConfigError, Problem


def all_adapters() -> tuple[Adapter, ...]:
    """Returns every adapter, in the order in which they are shown."""
    return (
        TotalSegmentatorCt(),
        TotalSegmentatorMr(),
        Amos22(),
        MmWhs(),
        ChaosCt(),
        ChaosMr(),
        Btcv(),
        Msd(),
        NnUnet(),
        Folder(),
        DicomFolders(),
    )


def adapter_names() -> tuple[str, ...]:
    """Returns the names of all adapters."""
    return tuple(adapter.name for adapter in all_adapters())


def get_adapter(name: str) -> Adapter:
    """Looks an adapter up by name.

    Raises:
        ConfigError: None has this name; the error names the nearest.
    """
    for adapter in all_adapters():
        if adapter.name == name:
            return adapter
    raise ConfigError(
        Problem(
            "adapter", "the data set must be known", f"'{name}'", nearest(name, adapter_names())
        )
    )
