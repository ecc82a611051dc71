"""`Picture`: a figure with its alt text and its caption."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from helpers.plots.style import PIXELS_PER_INCH, workbook_style

SHARPNESS = 2.0  # device pixels per CSS pixel: sharp on a retina screen and on a projector that scales the slide up


@dataclass(frozen=True, repr=False)
class Picture:
    """A figure with alt text and a caption, as every drawing function of this package returns it.

    A notebook displays it as the last line of a cell, in one of two forms: `text/html`, an `<img alt=...>`, which JupyterLab,
    VS Code and nbconvert prefer and which keeps the alt text (nbconvert drops that of a bare PNG); and `image/png`, for
    formats without HTML, such as a PDF made through LaTeX.

    Args:
        figure: A `matplotlib.figure.Figure`, preferably not one of pyplot's. It may still be changed: each display draws it anew.
        alt: What the figure says, for readers who cannot see it. Plain words, no TeX.
        caption: One or two sentences under the figure; None: no caption. HTML in it is escaped; a page that typesets mathematics
            typesets $math$ in it.

    Raises:
        ValueError: If `alt` is empty.
    """

    figure: Figure
    alt: str
    caption: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.alt, str) or not self.alt.strip():
            raise ValueError(f"A picture needs alt text, a sentence that says what it shows; got alt={self.alt!r}.")

    def to_png(self, sharpness: float = SHARPNESS) -> bytes:
        """The picture as PNG.

        Args:
            sharpness: Pixels per CSS pixel. 1 is faster than the default, for example under a slider.

        Returns:
            The bytes of the PNG file.
        """
        buffer = io.BytesIO()
        self._write(buffer, "png", sharpness)
        return buffer.getvalue()

    def to_html(self, sharpness: float = SHARPNESS) -> str:
        """The picture as a self-contained `<figure>`: the image as a data URI, its alt text, its caption.

        Args:
            sharpness: Pixels of the image per CSS pixel. The displayed size does not depend on it.

        Returns:
            HTML.
        """
        return self._html(self.to_png(sharpness))

    def save(self, path: str | Path) -> Path:
        """Write the picture to a file, with the alt text in its metadata.

        Args:
            path: Where to write; the suffix .png, .svg or .pdf chooses the format.

        Returns:
            The path.

        Raises:
            ValueError: If the suffix is another one.
        """
        path = Path(path)
        kind = path.suffix.lstrip(".").lower()
        if kind not in ("png", "svg", "pdf"):
            raise ValueError(f"Cannot save a picture as {path.name!r}: give it the suffix .png, .svg or .pdf.")
        self._write(path, kind)
        return path

    def _write(self, target: Any, kind: str, sharpness: float = SHARPNESS) -> None:
        # No version and no date in the file, so that the same figure gives the same bytes.
        metadata = {"png": {"Software": None, "Description": self.alt}, "svg": {"Date": None, "Title": self.alt}}
        metadata["pdf"] = {"CreationDate": None, "Title": self.alt}
        # Under a slider, speed matters more than the size of the file: compress less.
        quick = {"pil_kwargs": {"compress_level": 1}} if kind == "png" and sharpness <= 1 else {}
        with workbook_style():  # matplotlib reads some settings, such as fonts, only while drawing
            self.figure.savefig(target, format=kind, dpi=sharpness * PIXELS_PER_INCH, metadata=metadata[kind], **quick)

    def _html(self, png: bytes) -> str:
        source = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
        width = round(self.figure.get_figwidth() * PIXELS_PER_INCH)
        height = round(
            self.figure.get_figheight() * PIXELS_PER_INCH
        )  # a page reserves this space before the image is decoded
        alt = html.escape(" ".join(self.alt.split()), quote=True)
        image = f'<img src="{source}" alt="{alt}" width="{width}" height="{height}" style="max-width:100%;height:auto">'
        caption = ""
        if self.caption:
            # No colour: the page may be dark.
            caption = f'<figcaption style="font-size:0.9em;font-style:italic">{html.escape(self.caption)}</figcaption>'
        return f'<figure class="workbook-picture" style="margin:0.5em 0">{image}{caption}</figure>'

    def _repr_html_(self) -> str:
        return self.to_html()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        png = self.to_png()
        data = {"text/html": self._html(png), "image/png": png, "text/plain": repr(self)}
        size = {"width": round(self.figure.get_figwidth() * PIXELS_PER_INCH)}
        size["height"] = round(self.figure.get_figheight() * PIXELS_PER_INCH)
        return data, {"image/png": {**size, "alt": self.alt}}

    def __repr__(self) -> str:
        return f"Picture: {' '.join(self.alt.split())}" + (f" ({self.caption})" if self.caption else "")
