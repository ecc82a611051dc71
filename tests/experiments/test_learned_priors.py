"""Learned priors: the parts of the bound against sums by hand, and what the runs share."""

from __future__ import annotations

import math

import pytest
import torch

from helpers.data import load_images
from helpers.experiments.learned_priors import PRIORS, learn_priors

SMALL = {"epochs": 4, "num_components": 5, "batch_size": 60, "hidden": 16, "watched": 80}


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return load_images("digits").train.images[:300]


@pytest.fixture(scope="module")
def runs(images):
    return learn_priors(images, **SMALL)


def test_there_is_a_run_for_each_prior_with_snapshots_from_the_start_to_the_end(runs):
    assert tuple(runs) == PRIORS
    for name, run in runs.items():
        assert run.name == name and [one.epoch for one in run.snapshots] == [0, 1, 2, 3, 4]
        assert all(one.codes.shape == (80, 2) for one in run.snapshots)
        assert run.snapshots[-1].bound > run.snapshots[0].bound + 5
        assert len(run.snapshots[0].weights) == (1 if name == "standard" else 5)


def test_the_parts_are_what_sums_by_hand_say(images, runs):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = (torch.rand_like(images[:80]) < images[:80]).float()
    for run in runs.values():
        last, guide = run.snapshots[-1], run.guide
        with torch.no_grad():
            q, prior = guide(x), run.model.prior()
            with torch.random.fork_rng():
                torch.manual_seed(0)
                assert torch.equal(q.sample(), last.codes)
            own, mixed = [], []
            for z_i, i in zip(last.codes, range(len(x)), strict=True):
                densities = torch.stack([guide(x[j]).log_prob(z_i) for j in range(len(x))]).double()
                own.append(densities[i])
                mixed.append(densities.exp().mean().log())
            own, mixed = torch.stack(own), torch.stack(mixed)
            log_prior = prior.log_prob(last.codes).double()
            assert last.mutual_information == pytest.approx((own - mixed).mean().item(), abs=1e-4)
            assert last.marginal_kl == pytest.approx((mixed - log_prior).mean().item(), abs=1e-4)
            assert last.rate == pytest.approx((q.log_prob(last.codes) - log_prior).mean().item(), abs=1e-4)
            assert last.distortion == pytest.approx(-run.model(last.codes).log_prob(x).mean().item(), rel=1e-5)
        for one in run.snapshots:
            assert one.rate == pytest.approx(one.mutual_information + one.marginal_kl, abs=1e-4)
            assert one.bound == -(one.distortion + one.rate) and one.mutual_information <= math.log(80)


def test_every_prior_is_kept_as_the_mixture_that_it_was(runs):
    z = 3 * torch.randn(50, 2, generator=torch.Generator().manual_seed(2))
    for name, run in runs.items():
        first, last = run.snapshots[0], run.snapshots[-1]
        with torch.no_grad():
            torch.testing.assert_close(last.log_prior(z), run.model.prior().log_prob(z), rtol=1e-4, atol=1e-4)
        moved = (first.loc - last.loc).abs().max().item()
        assert moved == 0 if name == "standard" else moved > 0.05  # and no view of parameters that go on learning


def test_networks_and_draws_start_alike(runs):
    standard, mixture, vamp = (runs[name].snapshots[0] for name in PRIORS)
    assert torch.equal(standard.codes, mixture.codes) and torch.equal(standard.codes, vamp.codes)
    assert standard.distortion == mixture.distortion == vamp.distortion


def test_looking_changes_nothing_and_the_seed_everything(images, runs):
    before = torch.get_rng_state()
    again = learn_priors(images, **SMALL, most_snapshots=2)
    assert torch.equal(torch.get_rng_state(), before)
    other = learn_priors(images, **SMALL, seed=1, most_snapshots=2)
    for name, run in runs.items():
        assert [one.epoch for one in again[name].snapshots] == [0, 4]
        assert again[name].snapshots[-1].bound == run.snapshots[-1].bound
        assert torch.equal(again[name].snapshots[-1].codes, run.snapshots[-1].codes)
        assert other[name].snapshots[-1].bound != run.snapshots[-1].bound


def test_many_epochs_have_no_more_snapshots_than_asked(images):
    run = learn_priors(images[:40], epochs=9, num_components=1, hidden=2, watched=10, most_snapshots=4)["Vamp"]
    assert [one.epoch for one in run.snapshots] == [0, 3, 6, 9]


def test_the_story_holds_on_packaged_digits():
    """At the lessons' size: every prior that learns leaves less marginal KL than the one that does not."""
    digits = load_images("digits", size=28).train.images
    last = {
        name: run.snapshots[-1]
        for name, run in learn_priors(digits, epochs=12, batch_size=50, watched=300, most_snapshots=2).items()
    }
    assert last["standard"].marginal_kl > 1.2 * max(last["mixture"].marginal_kl, last["Vamp"].marginal_kl)
    assert min(one.mutual_information for one in last.values()) > 2.5  # none has collapsed


def test_refuses_training_without_epochs_and_components_without_images(images):
    with pytest.raises(ValueError, match="1 epoch and 2 snapshots or more, and 0 and 13"):
        learn_priors(images, epochs=0)
    with pytest.raises(ValueError, match="num_components=4, and 3 images"):
        learn_priors(images[:3], epochs=1, num_components=4)
