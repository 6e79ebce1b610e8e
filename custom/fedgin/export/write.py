"""Exporting a model: every form asked for, compared with the model, in one folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from torch import Tensor, nn

from fedgin.errors import FedginError, Problem
from fedgin.export.bundle import (
    BUNDLE_FOLDER,
    bundle_modalities,
    bundle_network,
    write_bundle,
)
from fedgin.export.card_files import HTML_FILE, MARKDOWN_FILE, card_html, card_markdown
from fedgin.export.folder import new_folder, write_json, write_text
from fedgin.export.formats import (
    BUNDLE,
    ONNX,
    SAFETENSORS,
    TORCHSCRIPT,
    ExportError,
    format_problems,
)
from fedgin.export.interface import describe_interface
from fedgin.export.model import ExportModel, plain_network
from fedgin.export.onnx_file import ONNX_FILE, onnx_bytes, onnx_runner
from fedgin.export.parity import LIMIT, Parity, compare, probes
from fedgin.export.torchscript import TORCHSCRIPT_FILE, compile_network, write_torchscript
from fedgin.files import SHARED, write_atomically
from fedgin.release.card import CARD_FILE, MODEL_FILE

INTERFACE_FILE = "io.json"

Network = Callable[[Tensor], Tensor]


@dataclass
class Exported:
    """What was written.

    Attributes:
        files: Every file, relative to the folder, in alphabetical order.
        parity: By exported network, how far its scores are from the model's.
    """

    files: list[str] = field(default_factory=list)
    parity: dict[str, Parity] = field(default_factory=dict)


def export_model(
    model: ExportModel, out: Path, *, formats: Sequence[str], force: bool = False
) -> Exported:
    """Writes a model in some formats, with its card's page, into one folder.

    Args:
        model: The model.
        out: The folder, made here.
        formats: Of `fedgin.export.formats.FORMATS`.
        force: Whether an earlier export there may be replaced.

    Raises:
        ExportError: A format cannot be had of this model or on this machine, an exported network
            gives other scores, or the folder is taken. Nothing is left there then.
        OSError: The disk is full or the folder cannot be written.
    """
    if problems := _problems(model, formats):
        raise ExportError(problems)
    done = Exported()
    with new_folder(out, force=force) as folder:
        _write_card(folder, model)
        if SAFETENSORS in formats:
            write_atomically(folder / MODEL_FILE, model.released.content, mode=SHARED)
        if any(name != SAFETENSORS for name in formats):
            done.parity = _write_networks(folder, model, formats)
    done.files = sorted(
        path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()
    )
    return done


def _problems(model: ExportModel, formats: Sequence[str]) -> list[Problem]:
    problems = format_problems(formats, model.card.settings, where=model.where)
    if BUNDLE in formats:
        try:
            bundle_modalities(model)
        except ExportError as error:
            problems += error.problems
    return problems


def _write_card(folder: Path, model: ExportModel) -> None:
    write_text(folder / CARD_FILE, model.card.to_text())
    write_text(folder / MARKDOWN_FILE, card_markdown(model.card))
    write_text(folder / HTML_FILE, card_html(model.card))


def _write_networks(folder: Path, model: ExportModel, formats: Sequence[str]) -> dict[str, Parity]:
    network, inputs = plain_network(model), probes(model)
    interface = describe_interface(model)
    text = write_json(folder / INTERFACE_FILE, interface)
    writers: dict[str, tuple[str, Callable[[], Network]]] = {
        BUNDLE: (f"{BUNDLE_FOLDER}/models/model.pt", lambda: _bundle(folder, model, network)),
        TORCHSCRIPT: (TORCHSCRIPT_FILE, lambda: _torchscript(folder, network, text)),
        ONNX: (ONNX_FILE, lambda: _onnx(folder, network, inputs[0], text)),
    }
    parity = {}
    for name, (file, write) in writers.items():
        if name in formats:
            parity[file] = compare(file, _translated(file, write), model=model, inputs=inputs)
    results = {name: asdict(found) for name, found in parity.items()}
    checked = {"device": "cpu", "limit": LIMIT, "files": results}
    write_json(folder / INTERFACE_FILE, {**interface, "parity": checked})
    return parity


def _translated(file: str, write: Callable[[], Network]) -> Network:
    try:
        return write()
    except (FedginError, OSError):
        raise
    except Exception as error:  # torch's translators let through whatever their passes raise
        reason = (str(error).strip() or "no reason given").splitlines()[0][:300]
        raise ExportError(
            Problem(
                file,
                "the installed packages must be able to translate the network",
                f"{type(error).__name__}: {reason}",
                "leave this format out of --formats, or install the versions of requirements.txt",
            )
        ) from error


def _bundle(folder: Path, model: ExportModel, network: nn.Module) -> nn.Module:
    write_bundle(folder / BUNDLE_FOLDER, model, network)
    return bundle_network(folder / BUNDLE_FOLDER)


def _torchscript(folder: Path, network: nn.Module, interface: str) -> nn.Module:
    script = compile_network(network)
    write_torchscript(script, folder / TORCHSCRIPT_FILE, interface=interface)
    return script


def _onnx(folder: Path, network: nn.Module, images: Tensor, interface: str) -> Network:
    content = onnx_bytes(network, images, interface=interface)
    write_atomically(folder / ONNX_FILE, content, mode=SHARED)
    return onnx_runner(content)
