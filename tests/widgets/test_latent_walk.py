"""Explorer "walk in latent time": the codes, their directions, the emission along the walk, and the picture's marks and words."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
import torch

from helpers.models import deep_markov_model
from helpers.plots.piano_roll_plot import key_name
from helpers.widgets.latent_walk import CHOICES, LONGEST, MAP, ROLL, Codes, codes_of, latent_walk, latent_walk_picture
from helpers.widgets.parts.chorale_audio import keys_in_use, sound_of
from tests.widgets.legible import unreadable

LENGTHS = torch.tensor([20, 11, 14, 20])
ROLLS = (torch.rand(4, 20, 88, generator=torch.Generator().manual_seed(0)) < 0.05).float()
ROLLS[:, :, :30] = ROLLS[:, :, 70:] = 0.0
ROLLS *= (torch.arange(20) < LENGTHS[:, None])[:, :, None]


def system(seed: int = 0, **sizes):
    torch.manual_seed(seed)
    model, guide = deep_markov_model(88, **{"latent": 4, "emission": (8,), "transition": 8, "rnn": 8, **sizes})
    with torch.no_grad():
        for parameter in [*model.parameters(), *guide.parameters()]:
            parameter.mul_(2)  # so that z matters
        *_, weight, bias = model.emission.parameters()
        weight.mul_(6)
        bias.sub_(1)
    return model, guide


MODEL, GUIDE = system()
CODES = codes_of(GUIDE, ROLLS, LENGTHS)
EXPLORER = latent_walk(MODEL, GUIDE, ROLLS, LENGTHS)
STATES = random.Random(0).sample(list(EXPLORER.states()), 60)  # every control varies


def sung(state) -> torch.Tensor:
    """Probabilities [steps, 88] along the walk, from the codes."""
    z = torch.lerp(CODES.z[state["first"] - 1], CODES.z[state["second"] - 1], state["mix"])
    with torch.no_grad():
        return MODEL.emission(z).mean


def test_codes_are_draws_of_the_guide_that_read_whole_chorales():
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        z = GUIDE(ROLLS, LENGTHS).z[0]
    assert CODES.z.shape == (4, 11, 4)
    torch.testing.assert_close(CODES.z, z[:, :11])
    assert CODES.keys == keys_in_use(ROLLS[:, :11])
    assert not torch.equal(codes_of(GUIDE, ROLLS, LENGTHS, seed=1).z, CODES.z)


@pytest.mark.parametrize("seed", range(4))
def test_places_lie_along_the_directions_of_most_variance(seed):
    codes = codes_of(system(seed)[1], ROLLS, LENGTHS)
    every = codes.z.flatten(0, 1)
    values, vectors = torch.linalg.eigh(every.T.cov())
    for index, which in ((0, -1), (1, -2)):
        vector = vectors[:, which] * vectors[:, which][vectors[:, which].abs().argmax()].sign()
        along = (every - every.mean(0)) @ vector / values[which].sqrt()
        torch.testing.assert_close(codes.places[..., index].flatten(), along, rtol=1e-3, atol=1e-3)
    assert codes.share == pytest.approx((values[-2:].sum() / values.sum()).item(), rel=1e-4)


def test_the_caption_says_how_much_the_map_leaves_out():
    caption = EXPLORER.picture(**EXPLORER.start).caption
    assert f"{100 * CODES.share:.0f}% of their variance" in caption and CODES.share < 1


def test_the_roll_shows_the_emission_along_the_mixed_path():
    for state in STATES[::7]:
        axes = EXPLORER.picture(**state).figure.axes[0]
        (image,) = axes.images
        low, high = CODES.keys
        expected = 1 - sung(state)[:, low : high + 1].T.flip(0).numpy()
        np.testing.assert_allclose(np.asarray(image.get_array()), expected, atol=1e-5)
        left, bottom, width, height = ROLL
        assert image.get_extent() == [left, left + width, bottom, bottom + height]
        (frame,) = [patch for patch in axes.patches if patch.get_linewidth() == 2.4]
        middle = (frame.get_x() + frame.get_width() / 2 - left) / width * 11
        assert middle == pytest.approx(state["step"] - 0.5)


def test_the_ends_of_the_mix_are_the_chorales_own_codes():
    pictures = [
        EXPLORER.picture(**{**EXPLORER.start, "first": a, "second": b, "mix": mix})
        for a, b, mix in ((3, 1, 0.0), (2, 3, 1.0))
    ]
    one, other = (np.asarray(found.figure.axes[0].images[0].get_array()) for found in pictures)
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_paths_and_the_cross_lie_where_the_codes_do():
    edge = max(2.0, 1.1 * CODES.places.abs().max().item())

    def place(points: torch.Tensor) -> np.ndarray:
        return np.array(MAP[:2]) + MAP[2] * (points.numpy() + edge) / (2 * edge)

    for state in STATES[::7]:
        axes = EXPLORER.picture(**state).figure.axes[0]
        first, second = CODES.places[state["first"] - 1], CODES.places[state["second"] - 1]
        mixed = torch.lerp(first, second, state["mix"])
        near = slice(max(0, state["step"] - 5), state["step"] + 4)  # four steps before, four after
        lines = [line for line in axes.lines if len(line.get_xdata()) > 2]
        for line, points in zip(lines, (first, second, mixed), strict=True):
            np.testing.assert_allclose(line.get_xydata(), place(points[near]), atol=1e-3)
        assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 3  # not by colour alone
        (cross,) = [line for line in axes.lines if line.get_marker() == "X" and line.get_zorder() == 5]
        np.testing.assert_allclose(cross.get_xydata()[0], place(mixed[state["step"] - 1]), atol=1e-3)


def test_words_say_the_state_and_the_likeliest_keys():
    assert len({int(sung(state)[state["step"] - 1].argmax()) for state in STATES[::3]}) > 3
    for state in STATES[::3]:
        found, probability = EXPLORER.picture(**state), sung(state)
        named = re.search(r"The likeliest keys there: (.*?);", found.caption)[1].split(", ")
        keys = [[key_name(index) for index in range(88)].index(words.split()[0]) for words in named]
        value = probability[state["step"] - 1].max()
        assert len(set(keys)) == 5 and named[0].endswith(f" {100 * value:.0f}%")
        torch.testing.assert_close(probability[state["step"] - 1][keys], probability[state["step"] - 1].topk(5).values)
        assert f"{probability[state['step'] - 1].sum():.1f} keys are expected" in found.alt
        where = f"Step {state['step']} of 11, {100 * (1 - state['mix']):.0f}% of chorale {state['first']}'s code and "
        assert found.alt.startswith(where) and found.caption.startswith(where)
        opened = torch.distributions.Bernoulli(probs=probability.double()).entropy().sum(1).mean()
        assert f"entropy along the mixed path is {opened:.2f} nats a step;" in found.caption
        assert "♯" not in found.alt and "♭" not in found.alt


def test_the_caption_says_what_is_open_along_both_ends():
    ends = {}
    for number in (1, 2):
        probability = sung({"first": number, "second": number, "mix": 0.0}).double()
        ends[number] = torch.distributions.Bernoulli(probs=probability).entropy().sum(1).mean()
    caption = EXPLORER.picture(**EXPLORER.start).caption
    assert f"along the first chorale's own {ends[1]:.2f}, along the second's {ends[2]:.2f}." in caption


def test_the_player_sounds_the_keys_likelier_than_not():
    state = {**EXPLORER.start, "mix": 0.25, "sound": True}
    assert EXPLORER.picture(**state).wav == sound_of((sung(state) >= 0.5).float())
    assert (sung(state) >= 0.5).any()
    assert EXPLORER.picture(**{**state, "sound": False}).wav is None


def test_words_can_be_read():
    complaints = {str(state): unreadable(EXPLORER.picture(**state).figure) for state in STATES}
    assert not {state: bad for state, bad in complaints.items() if bad}


@pytest.mark.parametrize(("number", "steps"), [(2, 1), (2, 7), (30, 40)])
def test_few_or_many_chorales_short_or_long(number, steps):
    rolls = (torch.rand(number, steps, 88, generator=torch.Generator().manual_seed(1)) < 0.05).float()
    explorer = latent_walk(MODEL, GUIDE, rolls, torch.full((number,), steps))
    assert explorer.controls["first"].high == min(number, CHOICES) and explorer.controls["step"].high == min(
        steps, LONGEST
    )
    for changes in ({}, {"first": min(number, CHOICES), "step": explorer.controls["step"].high, "mix": 1.0}):
        assert not unreadable(explorer.picture(**{**explorer.start, **changes}).figure)


@pytest.mark.parametrize("spread", [0.0, 1e-3, 30.0])
def test_codes_that_do_not_differ_or_lie_far_out(spread):
    codes = Codes(spread * CODES.z, CODES.keys, spread * CODES.places, CODES.share)
    found = latent_walk_picture(MODEL, codes, first=1, second=2, mix=0.5, step=3, sound=False)
    assert not unreadable(found.figure) and "nan" not in found.alt


def test_a_guide_that_says_the_same_of_all():
    model, guide = system()
    with torch.no_grad():
        for parameter in guide.parameters():
            parameter.zero_()
    explorer = latent_walk(model, guide, ROLLS, LENGTHS)
    assert "nan" not in explorer.picture(**explorer.start).alt


@pytest.mark.parametrize("options", [{"guide": "mean-field"}, {"guide": "both"}, {"flows": 1}, {"dropout": 0.9}])
def test_any_guide_and_the_random_state_is_left_alone(options):
    model, guide = system(**options)
    model.train(), guide.train()
    before = torch.get_rng_state()
    one, other = (latent_walk(model, guide, ROLLS, LENGTHS) for _ in range(2))
    assert one.picture(**one.start).to_png(1.0) == other.picture(**other.start).to_png(1.0)
    assert guide.training and torch.equal(torch.get_rng_state(), before)
    guide.eval()
    torch.testing.assert_close(
        codes_of(guide, ROLLS, LENGTHS).z, codes_of(guide.train(), ROLLS, LENGTHS).z
    )  # no dropout


def test_stills():
    stills = EXPLORER.still_html()
    assert stills.count("<img ") == 2 and stills.count("<audio ") == 1
    assert len(set(re.findall(r'alt="([^"]*)"', stills))) == 2


def test_says_what_it_cannot_do():
    with pytest.raises(ValueError, match="2 or more"):
        latent_walk(MODEL, GUIDE, ROLLS[:1], LENGTHS[:1])
    with pytest.raises(ValueError, match="z is one-dimensional"):
        latent_walk(*system(latent=1), ROLLS, LENGTHS)
