"""The MIME bundle by which a page finds a live widget, the same for ipywidgets 7 and 8."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ipywidgets

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def widget_view(widget: ipywidgets.Widget) -> dict[str, Any]:
    """Reference from a cell's output to a widget's model, which the page then shows.

    Written out, because ipywidgets has no method for it that lasts: version 8 has `_repr_mimebundle_`, version 7 has
    `_ipython_display_`, which displays the widget without our still pictures.

    Args:
        widget: A widget that has a view.

    Returns:
        A MIME bundle with one entry, in version 2.0 of the widget protocol, which both versions speak.
    """
    return {WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}
