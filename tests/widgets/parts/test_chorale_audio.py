"""What the chorales' explorers share: the sound against the package's own, the keys shown, and draws without side effects."""

from __future__ import annotations

import base64
import io
import re
import wave

import numpy as np
import pytest
import torch
from torch import nn

from helpers.data import roll_to_audio
from helpers.data.music.audio import audio_to_wav
from helpers.plots import workbook_style
from helpers.plots.piano_roll_plot import octaves
from helpers.widgets.parts.chorale_audio import (
    FEWEST_KEYS,
    RATE,
    SECONDS,
    SoundingPicture,
    check_chorales,
    draw_notes,
    drawing,
    keys_in_use,
    sound_of,
)
from helpers.widgets.parts.panel import Panel, bare_figure


def roll_of(steps: int, share: float = 0.06, seed: int = 0) -> torch.Tensor:
    return (torch.rand(steps, 88, generator=torch.Generator().manual_seed(seed)) < share).float()


def samples_of(wav: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float) / 32_767


@pytest.mark.parametrize("roll", [roll_of(9), roll_of(1), torch.zeros(4, 88), torch.ones(3, 88), roll_of(12, 0.5, 3)])
def test_sounds_as_the_packages_synthesis_does(roll):
    for _ in range(2):  # with new notes, and with cached ones
        np.testing.assert_allclose(
            samples_of(sound_of(roll)), samples_of(audio_to_wav(*roll_to_audio(roll, SECONDS, RATE))), atol=1e-4
        )


def test_a_picture_carries_its_sound_and_nothing_is_fetched():
    with workbook_style():
        figure, _ = bare_figure(100, 60)
    wav = sound_of(roll_of(2))
    page = SoundingPicture(figure, "A roll.", "A caption.", wav).to_html()
    (source,) = re.findall(r'<audio controls [^>]*src="([^"]*)"', page)
    assert base64.b64decode(source.removeprefix("data:audio/wav;base64,")) == wav
    assert (
        page.startswith("<figure")
        and page.endswith("</figure>")
        and page.count("</figure>") == 1
        and "http" not in page
    )
    silent = SoundingPicture(figure, "A roll.", "A caption.")
    assert "<audio" not in silent.to_html() and "A caption." in silent.to_html()
    assert SoundingPicture(figure, "A roll.", None, wav)._repr_mimebundle_()[0]["text/html"].count("<audio") == 1


def test_the_keys_shown_hold_all_that_sound_and_two_octaves():
    for first, last in ((30, 62), (40, 44), (0, 3), (80, 87), (0, 87), (50, 50)):
        roll = torch.zeros(2, 5, 88)
        roll[0, 1, first], roll[1, 4, last] = 1.0, 1.0
        low, high = keys_in_use(roll)
        assert 0 <= low <= first and last <= high <= 87 and high - low + 1 >= FEWEST_KEYS
        assert low <= max(0, first - 2) and high >= min(87, last + 2)
    low, high = keys_in_use(torch.zeros(1, 3, 88))
    assert low < 39 < high
    assert octaves(26, 52) == {27: "C3", 39: "C4", 51: "C5"}


def test_notes_stand_where_they_sound():
    roll = torch.zeros(6, 88)
    roll[1:4, 40], roll[5, 43] = 1.0, 1.0
    with workbook_style():
        _, axes = bare_figure(200, 100)
        panel = Panel(axes, (10, 20, 160, 70), (0, 16), (30.5, 50.5))
        draw_notes(panel, roll, 4, facecolors="white")
        draw_notes(panel, torch.zeros(3, 88))
    (bars,) = axes.collections
    boxes = [path.get_extents().extents for path in bars.get_paths()]
    expected = [(10 + 10 * left, 20 + 3.5 * (key - 0.43 - 30.5), 10 + 10 * right, 20 + 3.5 * (key + 0.43 - 30.5))
                for left, right, key in ((5, 8, 40), (9, 10, 43))]  # fmt: skip
    np.testing.assert_allclose(boxes, expected)


def test_drawing_leaves_no_trace():
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    module[1].eval()
    before = torch.get_rng_state()
    draws = []
    for seed in (3, 3, 4):
        with drawing(seed, module):
            assert not any(part.training for part in module.modules()) and not torch.is_grad_enabled()
            draws.append(torch.rand(3))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert torch.equal(torch.get_rng_state(), before) and torch.is_grad_enabled()
    assert [part.training for part in module.modules()] == [True, True, False]
    with pytest.raises(ZeroDivisionError), drawing(0, module):
        raise ZeroDivisionError
    assert [part.training for part in module.modules()] == [True, True, False]


def test_says_what_it_cannot_take():
    rolls, lengths = roll_of(5)[None], torch.tensor([5])
    check_chorales(rolls, lengths, 1)
    with pytest.raises(ValueError, match="1 sequences of 88 keys; expected 2 or more"):
        check_chorales(rolls, lengths, 2)
    with pytest.raises(ValueError, match="of 12 keys"):
        check_chorales(rolls[..., :12], lengths, 1)
    with pytest.raises(ValueError, match="Got length 6.*at most 5, the steps of the rolls"):
        check_chorales(rolls, torch.tensor([6]), 1)
