"""The spatial transformer, against torch's grid_sample, by single pixels, and by differences."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import grid_sample

from helpers.networks.spatial_transformer import LARGEST_LOG_SIZE, SpatialTransformer

SCENE = SpatialTransformer((50, 40), (20, 28))


def boxes(*batch: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(*batch, 2, generator=generator, dtype=torch.float64) * 1.6 - 0.8
    return centre, torch.randn(*batch, generator=generator, dtype=torch.float64) * 0.4 - 0.9


def images(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def by_grid_sample(image, size, place):
    """grid_sample at place(y, x of each output pixel), one image after the other."""
    y, x = ((2 * torch.arange(n, dtype=image.dtype) + 1) / n - 1 for n in size)
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)  # [height, width, (x, y)]
    return torch.stack(
        [
            grid_sample(one[None, None], place(grid, n)[None], align_corners=False, padding_mode="zeros")[0, 0]
            for n, one in enumerate(image)
        ]
    )


def test_both_ways_are_those_of_grid_sample():
    centre, log_size = boxes(7)
    size = log_size.exp()
    canvas, window = images(7, 50, 40), images(7, 20, 28)
    looked = by_grid_sample(canvas, (20, 28), lambda grid, n: centre[n] + size[n] * grid)
    drawn = by_grid_sample(window, (50, 40), lambda grid, n: (grid - centre[n]) / size[n])
    torch.testing.assert_close(SCENE.look(canvas, centre, log_size), looked, rtol=0, atol=1e-12)
    torch.testing.assert_close(SCENE.draw(window, centre, log_size), drawn, rtol=0, atol=1e-12)


def test_a_box_of_the_whole_canvas_changes_nothing():
    same = SpatialTransformer((12, 9), (12, 9))
    image, centre, log_size = (
        images(2, 12, 9),
        torch.zeros(2, 2, dtype=torch.float64),
        torch.zeros(2, dtype=torch.float64),
    )
    torch.testing.assert_close(same.look(image, centre, log_size), image)
    torch.testing.assert_close(same.draw(image, centre, log_size), image)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (7, 3), (19, 27)])
def test_a_delta_pixel_lands_where_its_box_says(row, column):
    """A box of the window's own pixels, whole pixels away from the corner: every pixel lands on one pixel."""

    tall = SpatialTransformer((40, 56), (20, 28))  # half of the canvas along both axes
    window = torch.zeros(20, 28, dtype=torch.float64)
    window[row, column] = 1.0
    left, top = 13, 6
    log_size = torch.tensor(0.5, dtype=torch.float64).log()
    centre = torch.tensor([(left + 14) / 28 - 1, (top + 10) / 20 - 1], dtype=torch.float64)
    canvas = tall.draw(window, centre, log_size)
    expected = torch.zeros(40, 56, dtype=torch.float64)
    expected[top + row, left + column] = 1.0
    torch.testing.assert_close(canvas, expected, rtol=0, atol=1e-12)
    assert tall.box(centre, log_size).tolist() == pytest.approx([left, top, left + 28, top + 20])


def test_window_to_canvas_and_back_is_the_identity():
    tall = SpatialTransformer((40, 56), (20, 28))
    window = images(3, 20, 28)
    log_size = torch.full((3,), 0.5, dtype=torch.float64).log()
    centre = torch.tensor([[-0.25, 0.1], [0.0, -0.3], [0.5, 0.5]], dtype=torch.float64)  # on whole pixels
    canvas = tall.draw(window, centre, log_size)
    torch.testing.assert_close(tall.look(canvas, centre, log_size), window, rtol=0, atol=1e-12)
    # Drawn larger and looked at with the same box: inside its edge a linear image comes back whatever the place.
    slope = torch.linspace(0, 1, 28, dtype=torch.float64).expand(3, 20, 28)
    place, larger = boxes(3, seed=3)[0] / 4, torch.full((3,), 0.73, dtype=torch.float64).log()
    again = tall.look(tall.draw(slope, place, larger), place, larger)
    torch.testing.assert_close(again[..., 2:-2, 2:-2], slope[..., 2:-2, 2:-2], rtol=0, atol=1e-9)


def test_gradients_are_those_of_differences():
    small = SpatialTransformer((9, 8), (5, 4))
    centre, log_size = boxes(2, seed=5)
    inputs = [part.requires_grad_() for part in (images(2, 9, 8), centre / 3, log_size)]
    assert torch.autograd.gradcheck(small.look, inputs)
    inputs[0] = images(2, 5, 4).requires_grad_()
    assert torch.autograd.gradcheck(small.draw, inputs)


def test_batches_of_any_shape():
    centre, log_size = boxes(2, 3)
    canvas = images(2, 3, 50, 40)
    whole = SCENE.look(canvas, centre, log_size)
    assert whole.shape == (2, 3, 20, 28)
    torch.testing.assert_close(whole[1, 2], SCENE.look(canvas[1, 2], centre[1, 2], log_size[1, 2]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SpatialTransformer((20, 20), (28, 28)), r"window \(28, 28\) is larger than the canvas \(20, 20\)"),
        (lambda: SpatialTransformer(50, (28, 28)), r"canvas=50 was given; \(height, width\)"),
        (lambda: SpatialTransformer((50, 0), (1, 1)), "canvas"),
        (lambda: SCENE.look(images(2, 40, 50), *boxes(2)), r"canvas has shape \(2, 40, 50\)"),
        (lambda: SCENE.draw(images(2, 3, 20, 28), *boxes(2)), "A channel is a dimension of the batch"),
        (lambda: SCENE.draw(images(20, 28), torch.zeros(2), torch.tensor(-20.0)), "vanishes or explodes"),
        (
            lambda: SCENE.look(images(50, 40), torch.zeros(2), torch.tensor(LARGEST_LOG_SIZE + 1)),
            "vanishes or explodes",
        ),
        (lambda: SCENE.look(images(50, 40), torch.tensor([0.0, torch.nan]), torch.tensor(0.0)), "not finite"),
        (lambda: SCENE.look(images(50, 40), torch.zeros(2), torch.tensor(torch.nan)), "not finite"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
