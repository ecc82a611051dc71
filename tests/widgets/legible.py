"""Whether the words of a figure can be read: inside the figure, and not on top of each other."""

from __future__ import annotations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from helpers.plots import workbook_style


def unreadable(figure: Figure) -> list[str]:
    """A complaint for every text that leaves the figure, and every two that overlap."""
    with workbook_style():
        renderer = FigureCanvasAgg(figure).get_renderer()
        # Shrunk by a pixel on each side: boxes may touch.
        boxes = [
            (text.get_text().replace("\n", " / "), text.get_window_extent(renderer).padded(-1))
            for text in figure.findobj(Text)
            if text.get_visible() and text.get_text().strip()
        ]
    width, height = figure.bbox.width, figure.bbox.height
    bad = [
        f"{words!r} leaves the figure" for words, b in boxes if b.x0 < 0 or b.y0 < 0 or b.x1 > width or b.y1 > height
    ]
    for index, (words, box) in enumerate(boxes):
        bad += [f"{words!r} overlaps {others!r}" for others, other in boxes[:index] if box.overlaps(other)]
    return bad
