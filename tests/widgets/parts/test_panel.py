"""Panels: names beside curves keep their distance and their order."""

from __future__ import annotations

from helpers.plots import workbook_style
from helpers.widgets.parts.panel import bare_figure, name_ends


def test_names_of_near_ends_are_moved_apart_within_the_limits():
    with workbook_style():
        _, axes = bare_figure(100, 80)
    name_ends(axes, 60, [(30.0, "lower", {}), (34.0, "upper", {}), (90.0, "beyond", {"color": "red"})], 18, (10, 70))
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert all(text.get_position()[0] == 60 for text in axes.texts) and axes.texts[2].get_color() == "red"
    assert heights["upper"] - heights["lower"] >= 18 - 1e-9 and heights["beyond"] - heights["upper"] >= 18 - 1e-9
    assert min(heights.values()) >= 10 and max(heights.values()) <= 70
