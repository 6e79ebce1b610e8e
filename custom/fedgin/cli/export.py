"""`fedgin export`: write a released model in the forms that other programs open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fedgin.export.formats import DEFAULT_FORMATS, parse_formats


def export(
    model: Annotated[
        Path, typer.Argument(help="released model: its folder, or the .safetensors file in it")
    ],
    out: Annotated[Path, typer.Argument(help="folder to write, new or empty")],
    formats: Annotated[
        str,
        typer.Option(help="of safetensors, bundle (MONAI), torchscript, onnx; comma-separated"),
    ] = ",".join(DEFAULT_FORMATS),
    force: Annotated[bool, typer.Option("--force", help="replace an earlier export")] = False,
) -> None:
    """Write a released model with its card's page as safetensors, MONAI bundle, TorchScript, ONNX.

    Each exported network is run beside the model on the same inputs; the largest difference of a
    score is printed and stored, and above 0.0001 nothing is written.
    """
    from fedgin.export.folder import check_target
    from fedgin.outputs import check_output_folder

    chosen = parse_formats(formats)
    check_target(out, force=force)  # before the work, not after it
    check_output_folder(out, where=f"OUT {out}")
    from fedgin.export.card_files import plain
    from fedgin.export.model import read_model
    from fedgin.export.write import export_model

    found = read_model(model)
    done = export_model(found, out, formats=chosen, force=force)
    lines = [
        f"model {found.released.name}: {plain(found.card.title)}",
        *(
            f"{name}: scores within {parity.max_abs_difference:.2g} of the model's"
            for name, parity in done.parity.items()
        ),
        f"{len(done.files)} files in {out}:",
        *(f"  {name}" for name in done.files),
    ]
    Console().print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
