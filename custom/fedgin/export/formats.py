"""The forms in which a model is exported, and the packages that they need."""

from __future__ import annotations

from collections.abc import Collection
from importlib.util import find_spec

from fedgin.config import nearest
from fedgin.errors import ConfigError, FedginError, Problem
from fedgin.settings import TrainingSettings

SAFETENSORS, BUNDLE, TORCHSCRIPT, ONNX = FORMATS = ("safetensors", "bundle", "torchscript", "onnx")
DEFAULT_FORMATS = (SAFETENSORS, BUNDLE, TORCHSCRIPT)
"""Those that need no package beside fedgin's own."""


class ExportError(FedginError):
    """A model cannot be exported as asked."""


def parse_formats(text: str) -> tuple[str, ...]:
    """Reads a comma-separated list of formats.

    Returns:
        The formats, in the order of `FORMATS`.

    Raises:
        ConfigError: None is named, or one that is not known.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    rule = "one or more of " + ", ".join(FORMATS)
    problems = [
        Problem("--formats", rule, f"'{name}'", nearest(name, FORMATS))
        for name in names
        if name not in FORMATS
    ]
    if not names:
        problems.append(Problem("--formats", rule, f"'{text}'", "name one"))
    if problems:
        raise ConfigError(problems)
    return tuple(name for name in FORMATS if name in names)


def format_problems(
    formats: Collection[str], training: TrainingSettings, *, where: str
) -> list[Problem]:
    """Lists what stands in the way of a model's export in some formats.

    Args:
        formats: The formats.
        training: The model's settings.
        where: What errors should name: the model.
    """
    problems = []
    derived = [name for name in formats if name != SAFETENSORS]
    if derived and training.augmentation == "dual_normalization":
        problems.append(
            Problem(
                where,
                f"a model for {', '.join(derived)} must be a network of MONAI's whose scores of "
                "an image depend on that image alone",
                "a Dual-Normalization network, which is fedgin's own and chooses its layers by "
                "the whole batch",
                "leave these formats out: --formats safetensors",
            )
        )
    if ONNX in formats and (missing := missing_packages()):
        problems.append(
            Problem(
                f"package {', '.join(missing)}",
                "the format onnx needs onnx, onnxruntime and onnxscript",
                "not installed",
                f"install: `pip install {' '.join(missing)}` (the extra `export` of fedgin), or "
                "leave onnx out of --formats",
            )
        )
    return problems


def missing_packages() -> list[str]:
    """Lists the packages that the format onnx needs and that are not installed."""
    found = {
        "onnx": find_spec("onnx"),
        "onnxruntime": find_spec("onnxruntime"),
        "onnxscript": find_spec("onnxscript"),
    }
    return [name for name, spec in found.items() if spec is None]
