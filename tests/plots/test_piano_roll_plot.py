"""Piano rolls: a bar for every note, given and generated notes that differ without colour, and the alt text."""

from __future__ import annotations

import pytest
import torch
from matplotlib.patches import Rectangle

from helpers.plots import piano_roll
from helpers.plots.piano_roll_plot import key_name
from helpers.plots.style import workbook_style


def a_roll() -> torch.Tensor:
    """Middle C held over steps 0 to 2, E in step 2, silence in step 3, G in steps 4 and 5."""
    roll = torch.zeros(6, 88)
    roll[:3, 39] = roll[2, 43] = roll[4:, 46] = 1.0
    return roll


def bars_of(axes) -> set[tuple]:
    """(key, first step, step after the last, hatched) of every bar."""
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    return {
        (round(bar.get_y() + bar.get_height() / 2), bar.get_x(), bar.get_x() + bar.get_width(), bool(bar.get_hatch()))
        for bar in bars
    }


def test_every_note_is_a_bar_where_it_sounds():
    (axes,) = piano_roll(a_roll()).figure.axes
    assert bars_of(axes) == {(39, 0, 3, False), (43, 2, 3, False), (46, 4, 6, False)}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["C4"]
    assert axes.get_xlim() == (0, 6)


def test_given_and_generated_differ_by_hatching_and_by_a_line_and_a_note_across_is_cut():
    picture = piano_roll(a_roll(), given=2)
    (axes,) = picture.figure.axes
    assert bars_of(axes) == {(39, 0, 2, False), (39, 2, 3, True), (43, 2, 3, True), (46, 4, 6, True)}
    assert [line.get_xdata()[0] for line in axes.lines] == [2]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["given", "generated"]
    assert "first 2 steps were given" in picture.alt and "hatched" in picture.alt
    assert {bar[3] for bar in bars_of(piano_roll(a_roll(), given=0).figure.axes[0])} == {True}
    assert {bar[3] for bar in bars_of(piano_roll(a_roll(), given=6).figure.axes[0])} == {False}


def test_several_rolls_share_both_axes():
    other = torch.zeros(9, 88)
    other[8, 60] = 1.0
    picture = piano_roll({"Bach": a_roll(), "model": other}, given=4)
    top, bottom = picture.figure.axes
    assert (top.get_title(loc="left"), bottom.get_title(loc="left")) == ("Bach", "model")
    assert top.get_xlim() == bottom.get_xlim() == (0, 9) and top.get_ylim() == bottom.get_ylim()
    assert top.get_ylim()[0] < 39 and top.get_ylim()[1] > 60
    assert len(top.lines) == len(bottom.lines) == 1
    assert "Piano roll of Bach: 6 steps, 3 notes between C4 and G4." in picture.alt
    assert "Piano roll of model: 9 steps, 1 note between A5 and A5." in picture.alt


def test_labels_stand_above_the_notes_and_no_two_touch():
    picture = piano_roll(a_roll(), labels=["I", "", "V7/V", "V7/V", "V", "I"], width=500)
    (axes,) = picture.figure.axes
    with workbook_style():
        picture.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == ["I", "V7/V", "V7/V", "V", "I"]
    assert [round(text.get_position()[0] - 0.1) for text in axes.texts] == [0, 2, 3, 4, 5]
    assert not [1 for i, one in enumerate(boxes) for another in boxes[:i] if one.overlaps(another)]
    highest_bar = max(bar.get_window_extent().y1 for bar in axes.patches)
    assert all(highest_bar <= box.y0 and box.y1 <= axes.bbox.y1 + 1 for box in boxes)
    assert "Written above: I V7/V V7/V V I." in picture.alt


def test_a_silent_roll_is_drawn_and_said():
    picture = piano_roll(torch.zeros(4, 88), caption="nothing")
    assert "4 steps, all silent" in picture.alt and picture.caption == "nothing"
    assert bars_of(picture.figure.axes[0]) == set()


def test_alt_text_can_be_given_and_names_are_said_without_signs():
    assert piano_roll(a_roll(), alt="my words").alt == "my words"
    roll = torch.zeros(2, 88)
    roll[0, 40] = roll[1, 42] = 1.0
    assert "between C sharp4 and E flat4" in piano_roll(roll).alt


def test_names_of_keys():
    assert [key_name(key) for key in (0, 39, 48, 87)] == ["A0", "C4", "A4", "C8"]


@pytest.mark.parametrize(("given", "words"), [
    ({"rolls": {}}, "rolls is empty"),
    ({"rolls": torch.zeros(1, 6, 88)}, r"rolls\[0, :lengths\[0\]\]"),
    ({"rolls": a_roll() * 0.3}, "other than 0 and 1"),
    ({"rolls": a_roll(), "given": 7}, "integer from 0 to 6"),
    ({"rolls": a_roll(), "given": 1.5}, "integer from 0 to 6"),
    ({"rolls": a_roll(), "labels": ["I"]}, "Got 1 labels; expected one for each of the 6 steps"),
])  # fmt: skip
def test_bad_input(given, words):
    with pytest.raises(ValueError, match=words):
        piano_roll(**given)
