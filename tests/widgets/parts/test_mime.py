"""The reference to a live widget: what the widget itself would show, and the same in every version of ipywidgets."""

from __future__ import annotations

import ipywidgets

from helpers.widgets.parts.mime import WIDGET_VIEW, widget_view


class OfVersion7(ipywidgets.HTML):
    """A widget as version 7 has it: it can display itself, and has no MIME bundle to take apart."""

    _repr_mimebundle_ = None


def test_it_names_the_widgets_model_in_the_version_of_the_protocol():
    widget = ipywidgets.HTML("a")
    assert widget_view(widget) == {WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}
    if hasattr(widget, "_repr_mimebundle_"):  # from version 8 on
        assert widget._repr_mimebundle_()[WIDGET_VIEW] == widget_view(widget)[WIDGET_VIEW]


def test_it_asks_no_method_that_a_version_may_lack():
    widget = OfVersion7("a")
    assert widget_view(widget)[WIDGET_VIEW]["model_id"] == widget.model_id
