"""Explorer "style dials": its directions against a covariance's, the styles at its dials, the drawn images and its words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from helpers.distributions import BernoulliConditional
from helpers.models import semi_supervised_vae
from helpers.plots import mosaic
from helpers.widgets.style_dials import CHOICES, style, style_dials, style_dials_picture, styles_of
from tests.widgets.legible import unreadable

SHAPE = (1, 6, 5)


def system(classes: int = 4, latent: int = 3, shape: tuple[int, ...] = SHAPE, seed: int = 0):
    torch.manual_seed(seed)
    model, guide = semi_supervised_vae(shape, classes, BernoulliConditional, latent=latent, hidden=(7,))
    with torch.no_grad():
        for parameter in [*model.parameters(), *guide.parameters()]:
            parameter.mul_(3)  # steep, so that styles, classes and guesses differ
    return model, guide


MODEL, GUIDE = system()
IMAGES = torch.rand(60, *SHAPE, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(60) % 4
STYLES = styles_of(GUIDE, IMAGES, LABELS)
EXPLORER = style_dials(MODEL, GUIDE, IMAGES, LABELS)
STATES = list(EXPLORER.states())


def test_codes_are_the_guides_with_the_labels_given_or_guessed():
    with torch.no_grad():
        codes = GUIDE.style(IMAGES, one_hot(LABELS, 4).float()).mean
        guesses = torch.stack(
            [GUIDE.classifier(IMAGES).log_prob(torch.eye(4)[k].expand(60, 4)) for k in range(4)]
        ).argmax(0)
        others = GUIDE.style(IMAGES, one_hot(guesses, 4).float()).mean
    torch.testing.assert_close(STYLES.codes, codes)
    assert not STYLES.guessed and len(STYLES.images) == CHOICES
    guessed = styles_of(GUIDE, IMAGES)
    assert guessed.guessed and torch.equal(guessed.labels, guesses) and len(guesses.unique()) > 1
    torch.testing.assert_close(guessed.codes, others)


@pytest.mark.parametrize("seed", range(5))
def test_directions_are_those_of_most_variance_and_their_sign_is_fixed(seed):
    styles = styles_of(system(seed=seed)[1], IMAGES, LABELS)
    values, vectors = torch.linalg.eigh(styles.codes.T.cov())
    for dial, which in ((0, -1), (1, -2)):
        vector = vectors[:, which] * vectors[:, which][vectors[:, which].abs().argmax()].sign()
        torch.testing.assert_close(styles.directions[dial], vector, rtol=1e-3, atol=1e-3)
        assert styles.spread[dial].item() == pytest.approx(values[which].sqrt().item(), rel=1e-4)
    torch.testing.assert_close(styles.places.std(0), torch.ones(2), rtol=1e-4, atol=1e-4)


def test_dials_lead_from_the_images_style_or_from_the_middle():
    torch.testing.assert_close(style(STYLES, 0, 0.0, 0.0), torch.zeros(3))
    torch.testing.assert_close(style(STYLES, 3, 0.0, 0.0), STYLES.codes[2])
    moved = style(STYLES, 3, 1.5, -2.0) - STYLES.codes[2]
    torch.testing.assert_close((STYLES.directions @ moved) / STYLES.spread, torch.tensor([1.5, -2.0]))
    torch.testing.assert_close(
        moved.norm(), (torch.tensor([1.5, 2.0]) * STYLES.spread).norm()
    )  # and in no other direction


def test_every_class_is_drawn_in_that_style_and_the_image_beside_it():
    for state in STATES[::7]:
        start, drawn = None, EXPLORER.picture(**state).figure.axes[0].images
        if state["image"]:
            start = drawn[0]
            np.testing.assert_array_equal(np.asarray(start.get_array()), mosaic(IMAGES[state["image"] - 1 :][:1], 1))
        assert len(drawn) == (2 if state["image"] else 1)
        z = style(STYLES, state["image"], state["dial1"], state["dial2"])
        with torch.no_grad():
            expected = torch.stack([MODEL(torch.eye(4)[k], z).mean for k in range(4)])
        page = np.asarray(drawn[-1].get_array())
        gap = (page.shape[1] - 2 - 5 * 5) // 4
        tiles = np.stack([page[1:7, 1 + k * (5 + gap) : 6 + k * (5 + gap), 0] for k in range(4)])
        np.testing.assert_allclose(tiles, 1 - expected[:, 0].numpy(), atol=1e-5)


def test_the_frame_and_bold_words_mark_the_images_own_class():
    for number in (0, 1, 2, 7):
        axes = EXPLORER.picture(image=number, dial1=0.5, dial2=0.0).figure.axes[0]
        bold = [text.get_text() for text in axes.texts if text.get_weight() == "bold"]
        frames = [patch for patch in axes.patches if patch.get_linewidth() == 2.6]
        assert len(bold) == len(frames) == (1 if number else 0)
        if number:
            own = int(LABELS[number - 1])
            assert bold[0].split(",")[0] == f"{own}"
            (text,) = [text for text in axes.texts if text.get_text() == bold[0]]
            left = frames[0].get_x()
            assert left < text.get_position()[0] < left + frames[0].get_width()


def test_the_frame_and_words_stand_at_their_tile_in_every_row():
    model, guide = system(classes=10)
    styles = styles_of(guide, IMAGES, torch.arange(60) % 10)
    for own in (2, 8):
        axes = style_dials_picture(model, guide, styles, image=own + 1, dial1=0.0, dial2=0.0).figure.axes[0]
        page, (left, right, _, top) = np.asarray(axes.images[-1].get_array()), axes.images[-1].get_extent()
        scale = (right - left) / page.shape[1]
        gap = (page.shape[1] - 2 - 5 * 5) / 4, page.shape[0] - 2 - 2 * 6
        row, column = divmod(own, 5)
        x, y = (
            left + scale * (1 + column * (5 + gap[0])),
            top - scale * (1 + row * (6 + gap[1])),
        )  # its upper left corner
        (frame,) = [patch for patch in axes.patches if patch.get_linewidth() == 2.6]
        np.testing.assert_allclose(frame.get_bbox().extents, (x - 3, y - 6 * scale - 3, x + 5 * scale + 3, y + 3))
        (text,) = [text for text in axes.texts if text.get_weight() == "bold"]
        np.testing.assert_allclose(text.get_position(), (x + 2.5 * scale, y + 6))


def test_dots_and_cross_lie_where_the_styles_do_and_none_on_the_edge():
    wide = replace(STYLES, places=3 * STYLES.places)
    axes = style_dials_picture(MODEL, GUIDE, wide, image=2, dial1=1.0, dial2=-2.0).figure.axes[0]
    (cross,) = [line for line in axes.lines if line.get_marker() == "X"]
    (dots,) = [line for line in axes.lines if len(line.get_xdata()) > 10]
    place = (STYLES.places[1] + torch.tensor([1.0, -2.0])).numpy()
    edge = max(3.5, *(abs(value) + 0.4 for value in place))
    inside = wide.places[(wide.places.abs() <= edge).all(1)].numpy()
    assert 10 < len(inside) < 60
    corner, side = np.array([44, 42]), 112
    np.testing.assert_allclose(cross.get_xydata()[0], corner + side * (place + edge) / (2 * edge), atol=1e-3)
    np.testing.assert_allclose(dots.get_xydata(), corner + side * (inside + edge) / (2 * edge), atol=1e-3)


def test_words_say_the_state():
    for state in STATES[::5]:
        picture = EXPLORER.picture(**state)
        z = style(STYLES, state["image"], state["dial1"], state["dial2"])
        with torch.no_grad():
            drawn = MODEL.every_class(z)
            read = GUIDE.classifier(drawn).mean.argmax(-1).tolist()
        right = sum(guess == k for k, guess in enumerate(read))
        assert (
            f"reads {right} of 4 as the class they were drawn for" in picture.caption
            and f"reads {right} of 4" in picture.alt
        )
        for k, guess in enumerate(read):
            assert (f"class {k} as {guess}" in picture.alt) == (guess != k)
        shares = [f"{100 * share:.0f} percent" for share in drawn.flatten(1).mean(1).aminmax()]
        assert f"from {shares[0]} to {shares[1]} ink" in picture.alt
        start = (
            f"of image {state['image']}, of class {int(LABELS[state['image'] - 1])}"
            if state["image"]
            else "in the middle of the prior"
        )
        assert f"The style {start}, dials at " in picture.caption
        dials = [f"{state[key]:.2f}".replace("-", "−") for key in ("dial1", "dial2")]
        assert f"dials at {dials[0]} and {dials[1]}" in picture.alt
    assert "guessed to be of class" in style_dials(MODEL, GUIDE, IMAGES).picture(image=1, dial1=0.0, dial2=0.0).caption


def test_words_can_be_read():
    complaints = {str(state): unreadable(EXPLORER.picture(**state).figure) for state in STATES}
    assert not {state: bad for state, bad in complaints.items() if bad}


@pytest.mark.parametrize(
    ("classes", "shape"), [(2, (1, 4, 9)), (10, (1, 28, 28)), (10, (3, 8, 8)), (12, (1, 8, 8)), (7, (1, 20, 4))]
)
def test_any_number_of_classes_and_any_image(classes, shape):
    model, guide = system(classes, 2, shape)
    images = torch.rand(4, *shape, generator=torch.Generator().manual_seed(1))
    explorer = style_dials(model, guide, images)
    assert explorer.controls["image"].high == 4
    for state in ({"image": 4, "dial1": 3.0, "dial2": -3.0}, {"image": 0, "dial1": 0.0, "dial2": 0.0}):
        picture = explorer.picture(**state)
        assert not unreadable(picture.figure) and f"{classes} classes" in picture.alt
        for image in picture.figure.axes[0].images:
            left, right, bottom, top = image.get_extent()
            assert 0 <= left < right <= 712 and 0 <= bottom < top <= 348


def test_same_state_same_bytes_and_stills_and_the_random_state_is_left_alone():
    before = torch.get_rng_state()
    one, other = (
        style_dials(MODEL, GUIDE, IMAGES, LABELS).picture(image=1, dial1=0.5, dial2=0.5).to_png(1.0) for _ in range(2)
    )
    assert one == other and EXPLORER.still_html().count("<img ") == 3
    assert torch.equal(torch.get_rng_state(), before)


def test_styles_that_do_not_differ_have_dials_that_move_nothing():
    model, guide = system()
    with torch.no_grad():
        for parameter in guide.style.parameters():
            parameter.zero_()
    styles = styles_of(guide, IMAGES, LABELS)
    assert styles.spread.max() <= 1e-6
    picture = style_dials_picture(model, guide, styles, image=1, dial1=3.0, dial2=-3.0)
    assert "nan" not in picture.alt and not unreadable(picture.figure)


def test_says_what_it_cannot_do():
    with pytest.raises(ValueError, match="three images or more.*2 images and no labels"):
        style_dials(MODEL, GUIDE, IMAGES[:2])
    with pytest.raises(ValueError, match="60 images and 59 labels"):
        style_dials(MODEL, GUIDE, IMAGES, LABELS[:59])
    with pytest.raises(ValueError, match="a style of two dimensions or more"):
        style_dials(*system(latent=1), IMAGES)
