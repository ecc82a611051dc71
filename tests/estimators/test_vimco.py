"""VIMCO: its formula, its value, and rewards far below zero."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, Independent

from helpers.estimators import Estimate, Vimco, drawing_from, exact_gradient
from tests.estimators.problems import DOUBLE, assert_same, bits, moments

OUTCOMES = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]], dtype=DOUBLE)


def by_hand(each: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """The surrogate, sample by sample, with weights and not their logarithms. each, scores: [samples, batch]."""
    weights = each.detach().exp()
    bound = weights.mean(0).log()
    total = (weights / weights.sum(0) * each).sum(0)
    for place in range(len(each)):
        others = [weights[s] for s in range(len(each)) if s != place]
        replaced = torch.stack([*others, torch.stack(others).prod(0) ** (1 / len(others))])
        total = total + (bound - replaced.mean(0).log()) * scores[place]
    return total


@pytest.mark.parametrize("num_samples", [2, 3])
def test_it_is_the_formula(replay_outcomes, num_samples):
    problem = bits(2, batch=(3,))
    z = OUTCOMES[:num_samples]
    with drawing_from(replay_outcomes(z)):
        estimate = Vimco()(problem.f, problem.q, num_samples=num_samples)
    z = z.unsqueeze(1).expand(-1, 3, -1)
    each, scores = problem.f(z), problem.q.log_prob(z)
    torch.testing.assert_close(estimate.value, each.exp().mean(0).log().detach(), rtol=1e-12, atol=0)
    ours = torch.autograd.grad(estimate.surrogate.sum(), problem.parameters, retain_graph=True)
    assert_same(ours, torch.autograd.grad(by_hand(each, scores).sum(), problem.parameters), 1e-12)


def test_credit_to_each_sample_takes_noise_away():
    """Against the same estimator without the others' bound: every sample credited with all of L."""

    class WithoutOthers(Vimco):
        def estimate(self, f, q, num_samples, context):
            full = super().estimate(f, q, num_samples, context)
            z, signal = self.seen
            return Estimate(full.value, full.surrogate + (signal * q.log_prob(z)).sum(0))

        def forward(self, f, q, num_samples=None, context=None):
            def watched(z):
                each = f(z)
                held = each.detach()
                eye = torch.eye(len(z), dtype=torch.bool)
                others = torch.where(eye, 0.0, held).sum(1, keepdim=True) / (len(z) - 1)
                self.seen = z, torch.where(eye, others, held).logsumexp(1) - math.log(len(z))
                return each

            return super().forward(watched, q, num_samples, context)

    problem = bits(3, seed=20)
    ours, without = moments(Vimco(), problem, 3), moments(WithoutOthers(), problem, 3)
    exact = exact_gradient(problem.f, problem.q, "log_mean_exp", 3, parameters=problem.parameters).gradient
    assert_same(without.mean, exact)
    assert ours.total_variance < 0.5 * without.total_variance


def test_rewards_far_below_zero_do_not_underflow(replay_outcomes):
    """Log weights near -5000 nats, as of images: the same gradient as near 0, and the value lower by as much."""
    logits = torch.tensor([0.3, -0.4], dtype=DOUBLE, requires_grad=True)
    q = Independent(Bernoulli(logits=logits), 1)
    results = []
    for shift in (0.0, -5000.0):
        with drawing_from(replay_outcomes(OUTCOMES)):
            estimate = Vimco()(lambda z, shift=shift: 3 * z.sum(-1) + shift, q, num_samples=3)
        results.append((estimate.value.item() - shift, *torch.autograd.grad(estimate.surrogate, logits)))
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-9)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=1e-9, atol=0)
    assert results[0][1].abs().min() > 1e-3


def test_one_impossible_sample_is_no_accident(replay_outcomes):
    """f = -inf for one of three samples: value and gradient stay finite."""
    logits = torch.tensor([0.3, -0.4], dtype=DOUBLE, requires_grad=True)
    q = Independent(Bernoulli(logits=logits), 1)
    with drawing_from(replay_outcomes(OUTCOMES)):
        estimate = Vimco()(lambda z: torch.tensor([1.0, -math.inf, 2.0]), q, num_samples=3)
    assert estimate.value.item() == pytest.approx(math.log((math.e + math.e**2) / 3))
    assert torch.autograd.grad(estimate.surrogate, logits)[0].isfinite().all()


def test_terms_counts_and_refusals():
    q = Independent(Bernoulli(torch.full((4, 3), 0.5)), 1)
    seen = []

    def f(z):
        seen.append(z.shape)
        score = z.sum(-1)
        return Estimate(score, score, {"rate": score + 2}, auxiliary_loss=2.5)

    for num_samples in (None, 2, 5):
        estimate = Vimco()(f, q, num_samples=num_samples)
        assert seen.pop() == (num_samples or 2, 4, 3)
        assert estimate.value.shape == estimate.surrogate.shape == estimate.terms["rate"].shape == (4,)
        assert estimate.auxiliary_loss == 2.5
        assert (estimate.value >= estimate.terms["rate"] - 2 - 1e-5).all()  # Jensen: terms are plain averages
    assert Vimco().target == "log_mean_exp"
    with pytest.raises(ValueError, match="Vimco compares.*2 or more; 1 was given.*ScoreFunction"):
        Vimco()(f, q, num_samples=1)
