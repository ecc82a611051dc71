"""Explorer "shapes": in every state its picture and words say what torch does."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import pytest
import torch

from helpers.plots.style import PIXELS_PER_INCH
from helpers.widgets.parts.scoring import A_SAMPLE, try_log_prob
from helpers.widgets.shapes import places, shapes, shapes_picture

STATES = list(shapes().states())


def test_pictures_of_all_states_are_said_in_words(capsys: pytest.CaptureFixture):
    milliseconds, alts, state_before = [], set(), torch.get_rng_state()
    for state in STATES:
        if state["x"] != A_SAMPLE and state["sample_shape"] != ():
            continue  # sample_shape has no effect if x is not drawn
        start = time.perf_counter()
        picture = shapes_picture(**state)
        png = picture.to_png(sharpness=1)
        milliseconds.append(1000 * (time.perf_counter() - start))
        assert png.startswith(b"\x89PNG")
        done = try_log_prob(**state)
        alts.add(picture.alt)
        if done.error:
            assert done.error in picture.alt and "error" in picture.caption
        else:
            assert f"log_prob(x) has shape {list(done.value.shape)}" in picture.alt
            assert f"log_prob returns {list(done.value.shape)}" in picture.caption
    assert (
        len(alts) == 10 * (3 + 6) + 6
    )  # ten q, each with three samples and six x of other shapes; six (loc, n) without q
    assert torch.equal(torch.get_rng_state(), state_before)
    with capsys.disabled():
        print(f"\nshapes: {statistics.median(milliseconds):.0f} ms a picture in the median of {len(milliseconds)}")


def test_no_word_leaves_the_picture_and_no_two_overlap():
    for state in STATES[:: max(1, len(STATES) // 60)]:
        figure = shapes_picture(**state).figure
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
        width, height = figure.get_size_inches() * figure.dpi
        assert figure.dpi == PIXELS_PER_INCH
        assert min(min(box.x0, box.y0) for box in boxes) >= 0, state
        assert all(box.x1 <= width and box.y1 <= height for box in boxes), state
        assert not [
            (a, b) for i, a in enumerate(boxes) for b in boxes[:i]
            if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
        ], state  # fmt: skip


def test_a_silent_stretch_is_pointed_out_and_a_plain_sample_is_not():
    start = shapes().start
    assert "stretched to [3, 3]" in shapes_picture(**{**start, "loc": (3,), "ndims": 0, "x": (3, 1)}).caption
    assert "stretched" not in shapes_picture(**start).caption
    assert "stretched" not in shapes_picture(**{**start, "x": (2, 3)}).caption


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"loc": (3,), "ndims": 0, "x": (3, 1)},
            "9 numbers, from the 3 cells of x: each is scored under all 3 distributions. No error",
        ),
        (
            {"loc": (2, 3), "ndims": 0, "x": ()},
            "6 numbers, from the 1 cell of x: it is scored under all 6 distributions.",
        ),
        (
            {"loc": (2, 3), "ndims": 0, "x": (3,)},
            "6 numbers, from the 3 cells of x: each is scored under 2 of the 6 distributions.",
        ),
        ({"loc": (3,), "sample_shape": ()}, "1 number, the sum over the 3 cells of the event (thick frame)."),
        ({"loc": (), "ndims": 0, "sample_shape": ()}, "log_prob returns []: 1 number."),
        ({"x": (2, 1)}, "x [2, 1] was stretched to [2, 3]."),
        ({"ndims": 3}, "n cannot exceed the number of batch dimensions (2)."),
    ],
)
def test_captions_count_the_cells_of_x_not_of_the_result(changes: dict[str, Any], words: str):
    assert words in shapes_picture(**{**shapes().start, **changes}).caption


def test_sample_before_batch_is_said_only_where_there_are_both():
    start, words = shapes().start, "The sample dimensions come first, then the batch."
    assert words in shapes_picture(**start).caption
    assert words not in shapes_picture(**{**start, "sample_shape": ()}).caption
    assert words not in shapes_picture(**{**start, "ndims": 2}).caption


def test_samples_run_down_and_the_batch_runs_across():
    cells, extent = places((2, 3, 4), ["sample", "batch", "event"])
    by_index = cells.reshape(2, 3, 4, 2)
    for axis, moves in ((0, 1), (1, 0), (2, 0)):  # dimension of the tensor → 0 right, 1 down
        steps = np.diff(by_index, axis=axis)
        assert (steps[..., moves] >= 1).all() and np.allclose(steps[..., 1 - moves], 0)
    np.testing.assert_allclose(extent, cells.max(0) + 1)
    image, _ = places((2, 3), ["event", "event"])
    np.testing.assert_allclose(image.reshape(2, 3, 2)[1, 0], [0, 1.08])
    assert len({tuple(cell) for cell in places((2, 2, 4, 2, 3), ["sample"] * 2 + ["batch"] * 2 + ["event"])[0]}) == 96


def test_log_prob_shows_its_numbers_where_there_is_room():
    crowd = {"loc": (4, 2, 3), "sample_shape": (2, 2)}  # no decimals there, nor from 100 on
    for changes, rounding in (
        ({}, 0.06),
        ({"sample_shape": (2, 2)}, 0.06),
        ({"x": (2, 1)}, 0.06),
        ({"ndims": 0}, 0.06),
        (crowd, 0.51),
    ):
        state = {**shapes().start, **changes}
        value = try_log_prob(**state).value.flatten()
        shown = [
            text.get_text().replace("−", "-") for text in shapes_picture(**state).figure.axes[0].texts[-value.numel() :]
        ]
        np.testing.assert_allclose([float(word) for word in shown], value.numpy(), rtol=0, atol=rounding)


def test_a_tensor_that_is_not_drawn_says_that_sample_shape_has_no_effect():
    def has_no_effect(**changes: Any) -> bool:
        texts = shapes_picture(**{**shapes().start, **changes}).figure.axes[0].texts
        return any("sample_shape has no effect" in text.get_text() for text in texts)

    assert has_no_effect(x=(2, 3)) and has_no_effect(x=(2,)) and not has_no_effect()


def test_stills_show_a_sum_and_a_silent_stretch():
    page = shapes().still_html()
    assert page.count("<img ") == page.count(' alt="q = ') == 2
    assert "stretched" in page
