"""Colours, markers and sizes: told apart by colour-blind readers and on black-and-white paper."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design" (2008), without its yellow, too pale on white paper.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
GREY = "#767676"
# Luminance of cividis rises evenly: the order of values survives grey printing.
COLOUR_MAP = "cividis"
DPI = 160
FONT_SIZE = 9
# Width in inches of a figure for a phone, whose page is about 360 CSS pixels wide.
NARROW = 3.75

# Colour, line and marker by augmentation; no two share both line and marker.
LOOKS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "none": (BLACK, "-", "o"),
        "randconv-img": (ORANGE, "--", "^"),
        "randconv-mix": (ORANGE, ":", "v"),
        "fourier-mix": (SKY, "--", "s"),
        "fda": (SKY, ":", "D"),
        "bezier": (PURPLE, "-.", "P"),
        "dual-normalization": (GREEN, "--", "X"),
        "gin": (VERMILION, "-", "*"),
        "gin-batch": (BLUE, "--", "<"),
        "gin-consistency": (BLUE, ":", ">"),
        "gin-ipa": (BLUE, "-.", "h"),
    }
)
CLASS_COLOURS = (ORANGE, SKY, GREEN, PURPLE, VERMILION, BLUE)


def new_figure(width: float, height: float) -> Figure:
    """Makes a figure of this size in inches, without pyplot and its global state."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context({"font.size": FONT_SIZE}):
        figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure) -> bytes:
    """Renders a figure; the same figure gives the same bytes."""
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=DPI, metadata={"Software": None})
    return target.getvalue()


def plain_axes(axes: Axes, *, grid: str = "x") -> None:
    """Takes away the frame and draws a light grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color="#d9d9d9", linewidth=0.6)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=FONT_SIZE - 0.5)


def emphasise(axes: Axes, name: str, names: list[str]) -> None:
    """Sets the tick label of one of the names on the y axis in bold."""
    # Panels that share their axis with a neighbour have no labels of their own.
    labels = axes.get_yticklabels()
    if name in names and len(labels) == len(names):
        labels[names.index(name)].set_fontweight("bold")


def readable_on(background: Sequence[float]) -> str:
    """Returns black or white, whichever has the higher contrast on a colour.

    Args:
        background: Red, green and blue in [0, 1]; what follows is ignored.

    The relative luminance and the contrast are those of WCAG 2.1; black and white contrast equally
    where (luminance + 0.05)^2 = 0.05 * 1.05.
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in background[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "white"
