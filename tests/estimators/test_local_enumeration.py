"""Local enumeration: exact means, and a variance that is at most the score function's, logit by logit."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Independent, Normal, OneHotCategorical

from helpers.estimators import Enumeration, ScoreFunction
from helpers.estimators import local_enumeration as module
from helpers.estimators.local_enumeration import LocalEnumeration
from tests.estimators.problems import DOUBLE, assert_same, assert_unbiased, bits, category, leaf, moments
from tests.estimators.relaxable import categories, smooth_on_logits

PROBLEMS = {
    "1 bit": (lambda: bits(1), 2),
    "4 bits": (lambda: bits(4, seed=30), 5),
    "3 bits, two pivots": (lambda: bits(3, seed=20), 8),
    "1 bit, three pivots": (lambda: bits(1, seed=60), 6),
    "8-way category": (lambda: category(8, seed=40), 8),
    "1 bit, two data": (lambda: bits(1, batch=(2,), seed=50), 2),
    "three 3-way categories": (lambda: categories((3, 3), seed=70), 7),
    "a grid of 3-way categories, two pivots": (lambda: categories((2, 1, 3), seed=80), 10),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_exact_mean_is_exact_gradient(name):
    make, num_samples = PROBLEMS[name]
    assert_unbiased(LocalEnumeration(), make(), num_samples)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["bits", "categories"])
def test_never_noisier_than_the_score_function(kind, seed):
    """One pivot against one sample, logit by logit; also in f's parameters, which get a mean over sites instead of one point."""
    problem = smooth_on_logits(leaf(3, seed=seed), seed + 50) if kind == "bits" else categories((2, 3), seed=10 * seed)
    local, plain = moments(LocalEnumeration(), problem), moments(ScoreFunction(), problem, 1)
    gap = [theirs - ours for ours, theirs in zip(local.variance, plain.variance, strict=True)]
    assert min(part.min().item() for part in gap) >= -1e-12
    assert gap[-1].max() > 1e-3
    assert local.variance[-1].max() > 1e-6
    assert (local.value_variance <= plain.value_variance).all()


@pytest.mark.parametrize("name", ["1 bit", "8-way category"])
def test_a_single_site_is_full_enumeration_which_has_no_variance(name):
    problem = PROBLEMS[name][0]()
    local, full = moments(LocalEnumeration(), problem), moments(Enumeration(), problem)
    assert_same(local.mean, full.mean, 1e-12)
    assert local.total_variance < 1e-25
    assert full.num_outcomes == 1  # it draws nothing
    assert full.total_variance == 0.0


def test_full_enumeration_has_no_variance_at_four_bits():
    assert assert_unbiased(Enumeration(), bits(4, seed=30), None).total_variance == 0.0


def test_evaluates_the_pivot_and_every_neighbour_once():
    seen = []

    def f(z):
        seen.append(z.clone())
        return z.flatten(2).sum(-1)

    estimate = LocalEnumeration()(f, Independent(Bernoulli(logits=torch.randn(4, 2, 3)), 2))
    assert estimate.value.shape == estimate.surrogate.shape == (4,)
    distance = (seen[0][1:] != seen[0][:1]).flatten(2).sum(-1)  # [6, 4]
    assert seen[0].shape == (7, 4, 2, 3)
    assert (distance == 1).all()
    assert len(seen[0][:, 0].flatten(1).unique(dim=0)) == 7

    LocalEnumeration()(
        f, Independent(OneHotCategorical(logits=torch.randn(4, 2, 3)), 1), num_samples=10
    )  # two pivots of 1 + 2·2
    assert seen[1].shape == (10, 4, 2, 3)
    assert (seen[1].sum(-1) == 1).all()
    assert len(seen[1][::2, 0].flatten(1).unique(dim=0)) == 5


def test_bare_bernoulli_is_one_site():
    logits = torch.randn(3, dtype=DOUBLE, requires_grad=True)
    estimate = LocalEnumeration()(lambda z: (z - 0.3) ** 2, Bernoulli(logits=logits))
    p = logits.sigmoid()
    torch.testing.assert_close(torch.autograd.grad(estimate.surrogate.sum(), logits)[0], (0.4 * p * (1 - p)).detach())


def test_mutant_that_forgets_the_present_outcome(monkeypatch):
    """The pivot's own weight is the sum over all sites of its probability there."""
    correct = module._neighbours

    def only_once(pivot, independent, q):
        points, probability = correct(pivot, independent, q)
        return points, torch.cat([probability[:1] / 3, probability[1:]])

    monkeypatch.setattr(module, "_neighbours", only_once)
    with pytest.raises(AssertionError):
        assert_unbiased(LocalEnumeration(), bits(3, seed=20), 4)


def test_refusals_name_an_estimator_that_fits():
    f = lambda z: z.sum(-1)  # noqa: E731
    with pytest.raises(ValueError, match="evaluates f 4 times a sample.*multiple.*; 6 was given.*LeaveOneOut"):
        LocalEnumeration()(f, Independent(Bernoulli(logits=torch.zeros(3)), 1), num_samples=6)
    with pytest.raises(ValueError, match="Categorical was given.*Enumeration"):
        LocalEnumeration()(f, Categorical(logits=torch.zeros(3)))
    with pytest.raises(ValueError, match="Normal was given.*Pathwise"):
        LocalEnumeration()(f, Independent(Normal(torch.zeros(3), 1.0), 1))
