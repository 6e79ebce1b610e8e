"""The one place that imports pydicom and highdicom, which only sites with DICOM data need."""

from __future__ import annotations

import importlib
import logging
from typing import Any

from fedgin.errors import ConfigError, Problem

_INSTALL = "install them there: `pip install 'pydicom>=3' 'highdicom>=0.25'` (the extra `dicom`)"


def load_pydicom() -> Any:
    """Imports pydicom.

    Raises:
        ConfigError: It is not installed, or does not load.
    """
    try:
        pydicom = importlib.import_module("pydicom")
    except ImportError as error:
        raise _missing("pydicom", error) from None
    # Its warnings quote what elements hold, a patient's name among them; what matters is refused
    # by rules of our own.
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    return pydicom


def load_highdicom() -> Any:
    """Imports highdicom.

    Raises:
        ConfigError: It is not installed, or does not load.
    """
    load_pydicom()
    # Its progress lines name patients' objects by their identifiers.
    logging.getLogger("highdicom").setLevel(logging.WARNING)
    try:
        return importlib.import_module("highdicom")
    except ImportError as error:
        raise _missing("highdicom", error) from None


def _missing(name: str, error: ImportError) -> ConfigError:
    rule = "DICOM data need pydicom and highdicom where they are read"
    return ConfigError(Problem(f"package {name}", rule, str(error), _INSTALL))
