"""The page of a report: one HTML file that asks for nothing else."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedgin.report.study.figures.style import DPI

ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='3' fill='%230b4f8a'/%3E"
    "%3Cpath d='M3 12V4h4v8M9 12V7h4v5' fill='none' stroke='white' stroke-width='1.6'/%3E%3C/svg%3E"
)


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it.

    Attributes:
        name: Name of its file, without suffix.
        title: What it shows, in a few words.
        caption: How to read it.
        alt: What a reader who cannot see it has to know.
        png: Its PNG.
        narrow_png: The same figure for a phone, its panels one below the other, as a PNG.
    """

    name: str
    title: str
    caption: str
    alt: str
    png: bytes
    narrow_png: bytes

    @property
    def wide(self) -> Image:
        """The figure for a screen and for paper."""
        return Image(self.png)

    @property
    def narrow(self) -> Image:
        """The figure for a phone."""
        return Image(self.narrow_png)


@dataclass(frozen=True)
class Image:
    """A PNG within a page.

    Attributes:
        png: The file's content.
    """

    png: bytes

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"

    @property
    def width(self) -> int:
        """Width on the page in CSS pixels, of which an inch has 96."""
        return round(self._size()[0] * 96 / DPI)

    @property
    def height(self) -> int:
        """Height on the page in CSS pixels."""
        return round(self._size()[1] * 96 / DPI)

    def _size(self) -> tuple[int, int]:
        # PNG specification, 11.2.2: width and height open the first chunk.
        width, height = struct.unpack(">II", self.png[16:24])
        return width, height


def render(template: str, *, title: str, **context: Any) -> str:
    """Renders a page from one of the package's templates.

    Args:
        template: Name of the template, for example "study.html.j2".
        title: Title of the page.
        context: What the template shows; text is escaped.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fedgin.report.study"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    loader = environment.loader
    assert loader is not None  # set three lines above
    style, _, _ = loader.get_source(environment, "style.css")
    values: Mapping[str, Any] = {"title": title, "icon": ICON, "style": _trusted(style), **context}
    return environment.get_template(template).render(values) + "\n"


def _trusted(style: str) -> Any:
    """Marks the package's own style sheet as text that needs no escaping."""
    from markupsafe import Markup

    return Markup(style)
