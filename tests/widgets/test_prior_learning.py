"""Explorer "prior learning": its map, and what its words say."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.data import load_images
from helpers.experiments.learned_priors import learn_priors
from helpers.widgets.prior_learning import MASSES, prior_learning, scene
from tests.widgets.legible import unreadable

SMALL = {"epochs": 4, "num_components": 5, "batch_size": 60, "hidden": 16, "watched": 80}


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return load_images("digits").train.images[:300]


@pytest.fixture(scope="module")
def runs(images):
    return learn_priors(images, **SMALL)


@pytest.fixture(scope="module")
def explorer(runs):
    return prior_learning(runs)


def test_contours_hold_their_mass(runs):
    """Levels depend on the whole prior and not on the window; for N(0, I) contours are circles of known radius."""
    here = scene(runs["standard"])
    for lines, mass in zip(here.contours[0], MASSES, strict=True):
        (line,) = lines
        assert np.hypot(*line.T) == pytest.approx(np.full(len(line), math.sqrt(-2 * math.log(1 - mass))), abs=0.06)
    mixture = runs["mixture"].snapshots[-1]
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(9)
        draws = mixture.log_prior(runs["mixture"].model.prior((20_000,)).sample())
    for lines, mass in zip(scene(runs["mixture"]).contours[-1], MASSES, strict=True):
        level = np.concatenate([mixture.log_prior(torch.tensor(line, dtype=torch.float32)).numpy() for line in lines])
        assert np.ptp(level) < 0.02
        # twice five standard errors of a share of 10,000 draws
        assert (draws > float(level.mean())).float().mean().item() == pytest.approx(
            mass, abs=10 * math.sqrt(mass * (1 - mass) / 10_000)
        )


def test_the_map_holds_nearly_all_codes_of_the_end_and_marks_lie_on_them(runs, explorer):
    for name, run in runs.items():
        here = scene(run)
        assert np.ptp(here.high - here.low) == pytest.approx(0)  # a square
        assert here.holds(run.snapshots[-1].codes).mean() >= 0.97 and here.holds(torch.zeros(1, 2)).all()
        axes = explorer.picture(prior=name, snapshot=4).figure.axes[0]
        codes = run.snapshots[-1].codes.numpy()[here.holds(run.snapshots[-1].codes)]
        (dots,) = [line for line in axes.lines if len(line.get_xdata()) == len(codes)]
        scale = 262 / (here.high - here.low)
        np.testing.assert_allclose(dots.get_xydata(), (46, 54) + scale * (codes - here.low), atol=1e-3)
        crosses = [line for line in axes.lines if line.get_marker() == "x"]
        assert len(crosses) == (0 if name == "standard" else 1)
        if crosses:
            places = run.snapshots[-1].loc[here.holds(run.snapshots[-1].loc)].numpy()  # all five have weight
            np.testing.assert_allclose(crosses[0].get_xydata(), (46, 54) + scale * (places - here.low), atol=1e-3)


def test_words_say_the_state(runs, explorer):
    for state in explorer.states():
        picture, now = explorer.picture(**state), runs[state["prior"]].snapshots[state["snapshot"]]
        shown = f"rate {now.rate:.2f} nats = {now.mutual_information:.2f} mutual information + {now.marginal_kl:.2f} marginal KL"
        assert (
            f"{state['prior'].capitalize()} prior after {now.epoch} of 4 epochs: bound −{-now.bound:.1f}, {shown}"
            in picture.caption
        )
        beyond = (~scene(runs[state["prior"]]).holds(now.codes)).sum()
        assert (f"{beyond} of 80 codes lie beyond the map" in picture.caption) == (beyond > 0)
        for name, run in runs.items():
            assert f"{name} −{-run.snapshots[state['snapshot']].bound:.1f}" in picture.alt
        words = {text.get_text() for text in picture.figure.axes[0].texts}
        assert {
            f"information {now.mutual_information:.2f}",
            f"marginal KL {now.marginal_kl:.2f}",
            f"p(z), {state['prior']}",
        } <= words
        bold = [text.get_text() for text in picture.figure.axes[0].texts if text.get_weight() == "bold"]
        assert bold == [state["prior"]]


def test_a_curve_of_the_bound_begins_where_it_enters_the_window(runs, explorer):
    """No line runs along the lower edge, and the caption says if the chosen bound is below it."""
    lowest = min(one.bound for run in runs.values() for one in run.snapshots[1:])
    for state in explorer.states():
        picture, now = explorer.picture(**state), runs[state["prior"]].snapshots[state["snapshot"]]
        assert ("below the window" in picture.caption) == (state["snapshot"] == 0)
        assert (now.bound < lowest) == (state["snapshot"] == 0)
        curves = [
            line
            for line in picture.figure.axes[0].lines
            if line.get_linewidth() in (2.6, 1.2) and len(line.get_xdata()) == 4
        ]
        assert len(curves) == len(runs)  # of five snapshots, the first, before training, is left out
        assert all((np.asarray(line.get_ydata()) > 226).all() for line in curves)


def test_words_can_be_read(explorer):
    complaints = {str(state): unreadable(explorer.picture(**state).figure) for state in explorer.states()}
    assert not {state: bad for state, bad in complaints.items() if bad}


def test_same_state_same_bytes_and_stills(runs, explorer):
    assert explorer.start == {"prior": "mixture", "snapshot": 4}
    one, other = (prior_learning(runs).picture(prior="Vamp", snapshot=2).to_png(1.0) for _ in range(2))
    assert one == other and explorer.still_html().count("<img ") == 2


def test_says_what_it_cannot_do(runs):
    shorter = replace(runs["Vamp"], snapshots=runs["Vamp"].snapshots[1:])
    with pytest.raises(ValueError, match="as many snapshots"):
        prior_learning({**runs, "Vamp": shorter})
    with pytest.raises(ValueError, match="these have none"):
        prior_learning({})
