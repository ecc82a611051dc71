"""The style of every figure: one style sheet, active inside a `with` only.

The sheet is the file `workbook.mplstyle` beside this one; a lesson's own pyplot cell can use it too, as
`plt.style.use("helpers.plots.workbook")`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import matplotlib.style
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

_SHEET = mpl.rc_params_from_file(Path(__file__).with_name("workbook.mplstyle"), use_default_template=False)

Layout = Literal["constrained", "compressed", "tight"]

PIXELS_PER_INCH = 96  # CSS pixels: sizes in this package are those that a browser shows before shrinking to fit
INK = "#222222"
QUIET = "#767676"  # for what is less important than the data; contrast 4.5 : 1 with white, so legible as text

COLORS: tuple[str, ...] = tuple(_SHEET["axes.prop_cycle"].by_key()["color"])
COLORS = tuple(color if color.startswith("#") else f"#{color}" for color in COLORS)
LINESTYLES: tuple = tuple(_SHEET["axes.prop_cycle"].by_key()["linestyle"])
MARKERS: tuple[str, ...] = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")

# Okabe and Ito's palette has eight colours, and its yellow is hard to see on white in small marks. For ten classes, grey, brown and
# violet are added, which differ from the others in lightness too.
CLASS_COLORS: tuple[str, ...] = (*COLORS[:7], "#8C8C8C", "#7F3C00", "#6A2FA0")


@contextmanager
def workbook_style() -> Iterator[None]:
    """Matplotlib's defaults with the workbook's sheet on top, inside the `with` only.

    It starts from the defaults, so that a figure looks the same whichever style the notebook uses.

    Yields:
        None.
    """
    with matplotlib.style.context(_SHEET, after_reset=True):
        yield


def new_figure(width: float, height: float, layout: Layout | None = "constrained") -> Figure:
    """An empty figure that pyplot does not manage, so it needs no closing. Call it inside `workbook_style`.

    Args:
        width: Width in CSS pixels.
        height: Height in CSS pixels.
        layout: Layout engine of matplotlib: "constrained", "compressed", "tight"; None: axes are placed by hand.

    Returns:
        The figure, with 96 dots per inch.
    """
    return Figure(figsize=(width / PIXELS_PER_INCH, height / PIXELS_PER_INCH), dpi=PIXELS_PER_INCH, layout=layout)


def contrast_with_white(color: str | tuple[float, float, float]) -> float:
    """The contrast ratio of WCAG 2 with white.

    Args:
        color: Name, hexadecimal code, or RGB in [0, 1].

    Returns:
        From 1 (white) to 21 (black).
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 1.05 / (luminance + 0.05)


def readable(color: str | tuple[float, float, float]) -> tuple[float, float, float]:
    """A colour for text on white: `color`, darkened until its contrast with white is 4.5 or more.

    Args:
        color: Name, hexadecimal code, or RGB in [0, 1].

    Returns:
        RGB in [0, 1].
    """
    red, green, blue = to_rgb(color)
    while contrast_with_white((red, green, blue)) < 4.5:
        red, green, blue = 0.95 * red, 0.95 * green, 0.95 * blue
    return red, green, blue
