"""The device, chosen once."""

from __future__ import annotations

import re

import torch

from fedgin.errors import ConfigError, Problem


def choose_device(wish: str) -> torch.device:
    """Turns a site's wish into a device.

    Args:
        wish: `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:N`.

    Raises:
        ConfigError: The wish is another word, or a CUDA device is asked for that is not there.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,4})?", wish):
        rule, mend = "the device must be auto, cpu, cuda or cuda:N", "use one of these"
        raise ConfigError(Problem("key 'device'", rule, f"'{wish}'", mend))
    if wish == "auto":
        wish = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(wish)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            Problem(
                "key 'device'",
                "the CUDA device must exist",
                f"'{wish}' with {torch.cuda.device_count()} CUDA devices visible",
                "use auto or cpu, or check the driver and CUDA_VISIBLE_DEVICES",
            )
        )
    return device
