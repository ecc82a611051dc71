"""Image grids: the place of every image, pixel and label."""

import numpy as np
import pytest
import torch

from helpers.plots import image_grid, mosaic
from helpers.plots.images import fitting_scale
from helpers.plots.style import workbook_style


def laid_out(picture):
    """Settle every position at one resolution, so that boxes of text can be compared."""
    with workbook_style():
        picture.figure.draw_without_rendering()


def shown(picture) -> np.ndarray:
    """The pixels of the picture's only image artist."""
    ((axes_image,),) = [axes.images for axes in picture.figure.axes]
    return np.asarray(axes_image.get_array())


def tile(page, row, column, height, width, gap=(1, 1)):
    top, left = 1 + row * (height + gap[0]), 1 + column * (width + gap[1])
    return page[top : top + height, left : left + width]


def texts(picture) -> list[str]:
    return [text.get_text() for axes in picture.figure.axes for text in axes.texts]


def test_each_image_stands_in_reading_order_pixel_by_pixel():
    images = torch.rand(6, 1, 4, 7)
    page = mosaic(images, columns=3, ink="light")
    assert page.shape == (2 + 2 * 4 + 1, 2 + 3 * 7 + 2, 3)
    for i in range(6):
        for channel in range(3):
            np.testing.assert_array_equal(tile(page, i // 3, i % 3, 4, 7)[..., channel], images[i, 0].numpy())


def test_dark_ink_prints_one_as_black_and_light_ink_as_white():
    images = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 3, 3)
    dark, light = mosaic(images, 2, "dark"), mosaic(images, 2, "light")
    assert (tile(dark, 0, 0, 3, 3) == 1).all() and (tile(dark, 0, 1, 3, 3) == 0).all()
    assert (tile(light, 0, 0, 3, 3) == 0).all() and (tile(light, 0, 1, 3, 3) == 1).all()


def test_colour_images_keep_their_channels():
    images = torch.rand(2, 3, 4, 5)
    page = mosaic(images, columns=2, ink="dark")
    np.testing.assert_array_equal(tile(page, 0, 1, 4, 5), images[1].permute(1, 2, 0).numpy())


def test_tiles_are_framed_apart_and_missing_ones_stay_white():
    page = mosaic(torch.zeros(3, 1, 4, 4), columns=2, gap=(6, 2))
    assert page.shape == (2 + 2 * 4 + 6, 2 + 2 * 4 + 2, 3)
    frame = page[0, 0, 0]
    assert 0.5 < frame < 1
    assert (page[0:6, 0] == frame).all() and (page[0:6, 5] == frame).all() and (page[5, 0:6] == frame).all()
    assert (page[6:10, :] == 1).all()  # room for titles between the frames of two rows
    assert (page[10:, 6:] == 1).all()  # the fourth tile does not exist


def test_figure_shows_the_mosaic_with_whole_device_pixels():
    images = torch.rand(20, 1, 28, 28)
    picture = image_grid(images, columns=10)
    page = shown(picture)
    np.testing.assert_array_equal(page, mosaic(images, 10))
    (axes,) = picture.figure.axes
    box = axes.get_window_extent()
    device_pixels = 2 * box.width / page.shape[1], 2 * box.height / page.shape[0]
    assert device_pixels == pytest.approx((device_pixels[0], device_pixels[0]))
    assert device_pixels[0] == pytest.approx(round(device_pixels[0]))


@pytest.mark.parametrize("count, rows, columns", [(1, 1, 1), (10, 1, 10), (400, 20, 20), (13, 2, 10), (30, 3, 10)])
def test_figure_fits_a_notebook_and_a_slide(count, rows, columns):
    picture = image_grid(torch.rand(count, 1, 28, 28), columns=columns, row_labels=["reconstruction"] * rows)
    width, height = 96 * picture.figure.get_size_inches()
    assert width <= 870 and height <= 480


def test_rows_of_columns_keep_their_order():
    images = torch.rand(2, 3, 1, 4, 4)
    np.testing.assert_array_equal(shown(image_grid(images)), mosaic(images.flatten(0, 1), 3))


def test_grey_images_need_no_channel_dimension_and_gradients_do_no_harm():
    images = torch.rand(4, 5, 5, requires_grad=True)
    np.testing.assert_array_equal(shown(image_grid(images)), mosaic(images[:, None], 4))


@pytest.mark.parametrize("rows, columns, width", [(None, None, 10), (3, None, 4), (None, 5, 5), (4, 3, 3)])
def test_rows_and_columns_complete_each_other(rows, columns, width):
    page = shown(image_grid(torch.zeros(12, 1, 2, 2), rows=rows, columns=columns))
    assert page.shape == (2 + -(-12 // width) * 3 - 1, 2 + width * 3 - 1, 3)


def test_labels_stand_at_their_row_column_and_image():
    picture = image_grid(
        torch.rand(2, 3, 1, 8, 8), row_labels=["data", "model"], column_labels=["a", "b", "c"], titles=list("uvwxyz")
    )
    assert texts(picture) == ["data", "model", "a", "b", "c", *"uvwxyz"]
    laid_out(picture)
    boxes = {text.get_text(): text.get_window_extent() for text in picture.figure.axes[0].texts}
    assert boxes["data"].y0 > boxes["model"].y1 and boxes["a"].x1 < boxes["b"].x0 < boxes["c"].x0
    assert boxes["a"].y0 >= boxes["u"].y1 - 1 and boxes["u"].y0 > boxes["data"].y1 and boxes["z"].y1 < boxes["w"].y0
    full = picture.figure.bbox
    assert all(full.x0 <= box.x0 and box.x1 <= full.x1 and box.y1 <= full.y1 for box in boxes.values())
    assert "Rows: data, model." in picture.alt and "6 grey images of 8 by 8 pixels, in 2 rows of 3." in picture.alt


def test_scale_is_crisp_or_shrinks():
    assert fitting_scale(3.99, 7) == 3.5
    assert fitting_scale(1.2) == 1.0
    assert fitting_scale(0.83) == 0.83


@pytest.mark.parametrize(
    "images, message",
    [
        (torch.rand(4, 2, 5, 5), "2 channels; expected 1"),
        (torch.rand(4, 5, 5, 3), r"images.permute\(0, 3, 1, 2\)"),
        (torch.rand(5, 5), r"\[5, 5\].*images\[None\]"),
        (torch.rand(0, 1, 5, 5), "empty"),
        (255 * torch.rand(4, 1, 5, 5), "divide by 255"),
        (torch.randn(40, 1, 5, 5), "clamp"),
        (torch.full((2, 1, 3, 3), float("nan")), "NaN"),
        ([[0.0]], "torch tensor"),
    ],
)
def test_says_what_is_wrong_with_images(images, message):
    with pytest.raises(ValueError, match=message):
        image_grid(images)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"rows": 1, "columns": 5}, "6 images do not fit 1 rows of 5"),
        ({"columns": 0}, "at least one"),
        ({"row_labels": ["a", "b"]}, "2 row_labels for 1 rows"),
        ({"column_labels": ["a"]}, "1 column_labels for 6 columns"),
        ({"titles": ["a"]}, "1 titles for 6 images"),
        ({"ink": "blue"}, "dark"),
    ],
)
def test_says_what_is_wrong_with_the_grid(options, message):
    with pytest.raises(ValueError, match=message):
        image_grid(torch.rand(6, 1, 3, 3), **options)


def test_a_nested_grid_does_not_take_other_rows():
    with pytest.raises(ValueError, match="already stand in 2 rows"):
        image_grid(torch.rand(2, 3, 1, 3, 3), rows=3)
