"""Explorer "continue a chorale": what the model is given, the z from which it continues, and the picture's marks and words."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
import torch

from helpers.data.music.midi import held_notes
from helpers.models import deep_markov_model
from helpers.widgets.continue_chorale import BOX, LONGEST, STEPS, continue_chorale, continued
from helpers.widgets.parts.chorale_audio import keys_in_use, sound_of
from tests.widgets.legible import unreadable

LENGTHS = torch.tensor([30, 9, 14, 24])
ROLLS = (torch.rand(4, 30, 88, generator=torch.Generator().manual_seed(0)) < 0.05).float()
ROLLS[:, :, :30] = ROLLS[:, :, 70:] = 0.0
ROLLS *= (torch.arange(30) < LENGTHS[:, None])[:, :, None]


def system(seed: int = 0, bias: float = -3.0, **sizes):
    torch.manual_seed(seed)
    model, guide = deep_markov_model(88, **{"latent": 4, "emission": (8,), "transition": 8, "rnn": 8, **sizes})
    with torch.no_grad():
        for parameter in [*model.parameters(), *guide.parameters()]:
            parameter.mul_(2)  # so that z matters
        list(model.emission.parameters())[-1].fill_(bias)
    return model, guide


MODEL, GUIDE = system()
EXPLORER = continue_chorale(MODEL, GUIDE, ROLLS, LENGTHS)
STATES = random.Random(0).sample(list(EXPLORER.states()), 40)  # every control varies


def picture(**changes):
    return EXPLORER.picture(**{**EXPLORER.start, **changes})


def test_the_model_goes_on_from_the_guides_last_code():
    """z_given ~ q(z | x_1..given), then ancestral sampling, with the same noise."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(5)
        z = GUIDE(ROLLS[:1, :7], torch.tensor([7])).z[0, :, -1]
        path = []
        for _ in range(STEPS):
            z = MODEL.transition(z).sample()
            path.append(z)
        rows = MODEL.emission(torch.stack(path, 1)).sample()[0]
    found = continued(MODEL, GUIDE, ROLLS[0, :7], 5)
    assert torch.equal(found, rows) and found.shape == (STEPS, 88)
    assert not torch.equal(found, continued(MODEL, GUIDE, ROLLS[0, :7], 6))


def test_what_comes_later_in_the_chorale_is_not_read():
    other = ROLLS.clone()
    other[0, 7:] = other[0, 7:].flip(1) * (torch.arange(7, 30) < 20)[:, None]
    explorer = continue_chorale(MODEL, GUIDE, other, torch.tensor([20, 9, 14, 24]))
    state = {**EXPLORER.start, "given": 7, "sound": True}
    assert not torch.equal(other[0], ROLLS[0])
    assert explorer.picture(**state).wav == EXPLORER.picture(**state).wav


def test_dropout_does_not_act_and_modes_and_random_state_stay():
    model, guide = system(dropout=0.9)
    model.train(), guide.train()
    before = torch.get_rng_state()
    one, other = (continued(model, guide, ROLLS[0, :6], 2) for _ in range(2))
    guide.eval()
    assert torch.equal(one, other) and torch.equal(one, continued(model, guide, ROLLS[0, :6], 2))
    assert model.training and torch.equal(torch.get_rng_state(), before)


def test_bars_dots_and_border_stand_where_they_should():
    left, bottom, width, height = BOX
    for state in STATES[::5]:
        roll = ROLLS[state["chorale"] - 1]
        given = min(state["given"], int(LENGTHS[state["chorale"] - 1]))
        made = continued(MODEL, GUIDE, roll[:given], state["seed"])
        shown, (low, high) = held_notes(made), keys_in_use(ROLLS)
        low, high = min([low, *(key for key, *_ in shown)]), max([high, *(key for key, *_ in shown)])
        axes = EXPLORER.picture(**state).figure.axes[0]
        pitch, step = height / (high - low + 1), width / (LONGEST + STEPS)
        parts = [(notes, offset) for notes, offset in ((held_notes(roll[:given]), 0), (shown, given)) if notes]
        bars = [collection for collection in axes.collections if collection.get_zorder() == 2]
        assert len(bars) == len(parts)
        for collection, (notes, offset) in zip(bars, parts, strict=True):
            key, begin, end = np.array(notes).T
            across, up = (
                left + step * (np.stack([begin, end]) + offset),
                bottom + pitch * (key - low + np.array([[0.07], [0.93]])),
            )
            expected = np.stack([across[0], up[0], across[1], up[1]], 1)
            np.testing.assert_allclose([path.get_extents().extents for path in collection.get_paths()], expected)
        (dots,) = [line for line in axes.lines if line.get_zorder() == 4]
        times, keys = roll[given : given + STEPS].nonzero(as_tuple=True)
        np.testing.assert_allclose(dots.get_xdata(), left + step * (times + given + 0.5).numpy())
        np.testing.assert_allclose(dots.get_ydata(), bottom + pitch * (keys - low + 0.5).numpy())
        (border,) = [line for line in axes.lines if line.get_zorder() == 3]
        np.testing.assert_allclose(border.get_xdata(), left + step * given)
        numbers = {text.get_text(): text.get_position()[0] for text in axes.texts if text.get_text().isdigit()}
        assert list(numbers) == ["1", "8", "16", "24", "32", "40"]
        np.testing.assert_allclose(list(numbers.values()), [left + step * (int(number) - 0.5) for number in numbers])


def test_given_and_generated_differ_by_more_than_colour():
    given, generated = (c for c in picture().figure.axes[0].collections if c.get_zorder() == 2)
    np.testing.assert_allclose(generated.get_facecolor()[0], (1, 1, 1, 1))
    assert (
        given.get_facecolor()[0][:3].tolist() != [1, 1, 1] and generated.get_linewidth()[0] > given.get_linewidth()[0]
    )


def test_words_say_the_state_and_count():
    for state in STATES[::3]:
        found = EXPLORER.picture(**state)
        length = int(LENGTHS[state["chorale"] - 1])
        given = min(state["given"], length)
        made = continued(MODEL, GUIDE, ROLLS[state["chorale"] - 1, :given], state["seed"])
        written = ROLLS[state["chorale"] - 1, given : min(given + STEPS, length)]
        assert f"Chorale {state['chorale']}, {given} of {length} steps given, seed {state['seed']}." in found.alt
        before = ROLLS[state["chorale"] - 1, :given].sum() / given
        assert f"{made.sum() / STEPS:.1f} keys a step where the given part has {before:.1f}." in found.caption
        sung, common = int(made[: len(written)].sum()), int((made[: len(written)] * written).sum())
        compared = f"it sings {sung} keys, the chorale {int(written.sum())}, {common} in common."
        assert (f"In the {len(written)} of these steps that the chorale has, {compared}" in found.caption) == (
            len(written) > 0
        )
        assert ("no step left" in found.alt) == (len(written) == 0)
        assert "♯" not in found.alt and "♭" not in found.alt


def test_the_player_sounds_what_is_shown_and_is_there_when_asked_for():
    assert picture(sound=False).wav is None and "<audio" not in picture(sound=False).to_html()
    made = continued(MODEL, GUIDE, ROLLS[0, :12], 3)
    assert picture(seed=3, given=12, sound=True).wav == sound_of(torch.cat([ROLLS[0, :12], made]))


def test_words_can_be_read():
    complaints = {str(state): unreadable(EXPLORER.picture(**state).figure) for state in STATES}
    assert not {state: bad for state, bad in complaints.items() if bad}


@pytest.mark.parametrize("bias", [-1e4, 1e4])
def test_silence_and_all_keys_at_once(bias):
    explorer = continue_chorale(*system(bias=bias), ROLLS, LENGTHS)
    found = explorer.picture(**{**explorer.start, "sound": True})
    assert not unreadable(found.figure)
    assert ("and is silent" in found.alt) == (bias < 0) and ("between A0 and C8" in found.alt) == (bias > 0)


def test_one_silent_chorale_of_one_step():
    explorer = continue_chorale(MODEL, GUIDE, torch.zeros(1, 1, 88), torch.tensor([1]))
    assert explorer.controls["given"].high == 1 and explorer.controls["chorale"].high == 1
    found = explorer.picture(**explorer.start)
    assert "0 notes" in found.alt and "no step left" in found.alt and not unreadable(found.figure)


@pytest.mark.parametrize(
    "options", [{"guide": "mean-field"}, {"guide": "both"}, {"flows": 1}, {"guide": "past", "cell": "relu"}]
)
def test_any_guide(options):
    explorer = continue_chorale(*system(**options), ROLLS, LENGTHS)
    assert "Chorale 1, 12 of 30 steps given" in explorer.picture(**explorer.start).alt


def test_same_state_same_bytes_and_stills():
    one, other = (continue_chorale(MODEL, GUIDE, ROLLS, LENGTHS).picture(**EXPLORER.start) for _ in range(2))
    assert one.to_png(1.0) == other.to_png(1.0)
    stills = EXPLORER.still_html()
    assert stills.count("<img ") == 2 and stills.count("<audio ") == 1
    assert len(set(re.findall(r'alt="([^"]*)"', stills))) == 2


def test_says_what_it_cannot_do():
    with pytest.raises(ValueError, match="1 or more"):
        continue_chorale(MODEL, GUIDE, ROLLS[..., :50], LENGTHS)
    with pytest.raises(ValueError, match="lengths"):
        continue_chorale(MODEL, GUIDE, ROLLS, LENGTHS[:2])
