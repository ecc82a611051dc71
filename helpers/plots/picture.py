"""`Picture`: a figure together with the words that stand in for it and the words under it."""

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
    """A figure with alt text and a caption: what every function in this room returns.

    As the last line of a cell it shows itself. It offers two forms of the same picture: `text/html`, an `<img alt=...>`, which
    JupyterLab, VS Code and nbconvert's pages and decks all prefer, so that the alt text survives (nbconvert drops the alt
    text of a bare PNG); and `image/png`, for what cannot show HTML, such as a PDF made through LaTeX.

    figure: a `matplotlib.figure.Figure`, best not one of pyplot's; still yours to change: it is drawn afresh at every showing.
    alt: what the figure says, for a reader who cannot see it. Plain words, no TeX.
    caption: one or two sentences under the figure. It is escaped, so no HTML; $math$ in it is typeset wherever the page
        typesets mathematics.

    Raises ValueError if `alt` is empty.
    """

    figure: Figure
    alt: str
    caption: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.alt, str) or not self.alt.strip():
            raise ValueError(
                f"A picture needs alt text, a sentence that says what it shows; alt={self.alt!r} says nothing."
            )

    def to_png(self, sharpness: float = SHARPNESS) -> bytes:
        """The picture as PNG bytes, with `sharpness` pixels per CSS pixel; 1 where speed matters more, as under a slider."""
        buffer = io.BytesIO()
        self._write(buffer, "png", sharpness)
        return buffer.getvalue()

    def to_html(self, sharpness: float = SHARPNESS) -> str:
        """A self-contained `<figure>`: the image as a data URI, its alt text, its caption. The shown size does not change."""
        return self._html(self.to_png(sharpness))

    def save(self, path: str | Path) -> Path:
        """Write the picture to `path`; its suffix (.png, .svg, .pdf) chooses the format. The alt text goes into the file."""
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
        # Under a slider a few more bytes cost less than the milliseconds that pressing them out would take.
        quick = {"pil_kwargs": {"compress_level": 1}} if kind == "png" and sharpness <= 1 else {}
        with workbook_style():  # some settings, fonts among them, are only looked up while drawing
            self.figure.savefig(target, format=kind, dpi=sharpness * PIXELS_PER_INCH, metadata=metadata[kind], **quick)

    def _html(self, png: bytes) -> str:
        source = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
        width = round(self.figure.get_figwidth() * PIXELS_PER_INCH)
        height = round(
            self.figure.get_figheight() * PIXELS_PER_INCH
        )  # so that a page keeps the place before the image is decoded
        alt = html.escape(" ".join(self.alt.split()), quote=True)
        image = f'<img src="{source}" alt="{alt}" width="{width}" height="{height}" style="max-width:100%;height:auto">'
        caption = ""
        if self.caption:
            # No colour here: the page around it may be dark.
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
