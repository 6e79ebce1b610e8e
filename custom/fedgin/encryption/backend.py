"""The one place that imports tenseal, which only encrypted jobs need."""

from __future__ import annotations

import importlib
from typing import Any

from fedgin.errors import ConfigError, Problem


def load_tenseal() -> Any:
    """Imports tenseal.

    Returns:
        The module.

    Raises:
        ConfigError: It is not installed, or does not load.
    """
    try:
        return importlib.import_module("tenseal")
    except ImportError as error:
        raise ConfigError(
            Problem(
                "package tenseal",
                "an encrypted job needs it at the server, at every site and where kits are made",
                str(error),
                "install it there: `pip install 'tenseal~=0.3.18'` (the extra `he` of fedgin)",
            )
        ) from None
