"""Pixels: a figure drawn in advance has twice the pixels of a side, and an image lies where it is put."""

from __future__ import annotations

import numpy as np

from helpers.plots import workbook_style
from helpers.widgets.parts.panel import bare_figure
from helpers.widgets.parts.pixels import pixels_of, show_pixels


def test_an_image_covers_its_place_and_nothing_else():
    with workbook_style():
        figure, axes = bare_figure(40, 30)
        show_pixels(axes, np.array([[[1.0, 0, 0], [0, 1.0, 0]]]), left=4, top=25, scale=10)
    drawn = pixels_of(figure)
    assert drawn.shape == (60, 80, 4) and drawn.dtype == np.uint8
    expected = np.full((60, 80, 3), 255)
    expected[10:30, 8:28] = [255, 0, 0]  # from 25 to 15 CSS pixels above the lower edge
    expected[10:30, 28:48] = [0, 255, 0]
    np.testing.assert_array_equal(drawn[..., :3], expected)
    assert axes.get_xlim() == (0, 40) and axes.get_ylim() == (0, 30)
