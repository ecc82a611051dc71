"""ImportanceWeighted: equal to autograd through log-mean-exp, to Pathwise with one sample, and below the exact evidence."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal

from helpers.estimators import DrawSource, Estimate, ImportanceWeighted, Pathwise, drawing_from


class RecordedDraws(DrawSource):
    def __init__(self, eps: torch.Tensor) -> None:
        self.eps = eps

    def rsample(self, q, num_samples):
        return q.base_dist.loc + q.base_dist.scale * self.eps


@pytest.fixture
def problem():
    """(f, q, parameters, eps): a Gaussian log weight with parameters of its own, six draws for each of three data."""
    torch.manual_seed(0)
    loc = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    raw = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    theta = torch.randn(2, dtype=torch.float64, requires_grad=True)
    q = Independent(Normal(loc, raw.exp()), 1)

    def f(z):
        return -((z - theta) ** 2).sum(-1) - q.log_prob(z)

    return f, q, [loc, raw, theta], torch.randn(6, 3, 2, dtype=torch.float64)


def test_equals_autograd_through_log_mean_exp(problem):
    f, q, parameters, eps = problem
    with drawing_from(RecordedDraws(eps)):
        estimate = ImportanceWeighted()(f, q, num_samples=6)
    weights = torch.stack([f(q.mean + q.base_dist.scale * e) for e in eps]).exp()
    direct = (weights.sum(0) / 6).log()
    torch.testing.assert_close(estimate.value, direct.detach(), rtol=1e-12, atol=1e-12)
    ours = torch.autograd.grad(estimate.surrogate.sum(), parameters, retain_graph=True)
    for mine, autograd in zip(ours, torch.autograd.grad(direct.sum(), parameters), strict=True):
        torch.testing.assert_close(mine, autograd, rtol=1e-9, atol=1e-12)


def test_with_one_sample_it_is_pathwise(problem):
    f, q, parameters, eps = problem
    results = []
    for estimator in (ImportanceWeighted(), Pathwise()):
        with drawing_from(RecordedDraws(eps[:1])):
            estimate = estimator(f, q, num_samples=1)
        results.append([estimate.value, *torch.autograd.grad(estimate.surrogate.sum(), parameters, retain_graph=True)])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


def test_a_weight_far_below_zero_does_not_underflow():
    """Log weights near -5000 nats, as of images: exp underflows, log-mean-exp must not."""
    with drawing_from(RecordedDraws(torch.zeros(4, 1, 1))):
        estimate = ImportanceWeighted()(
            lambda z: torch.tensor([-5000.0, -5001.0, -5002.0, -5000.0])[:, None] + 0 * z.sum(-1),
            Independent(Normal(torch.zeros(1, 1), 1.0), 1),
            num_samples=4,
        )
    exact = -5000 + math.log((2 + math.exp(-1) + math.exp(-2)) / 4)
    assert estimate.value.item() == pytest.approx(exact, rel=1e-6)


def test_terms_are_plain_averages_and_the_auxiliary_loss_travels(problem):
    f, q, _, eps = problem

    def with_terms(z):
        score = f(z)
        return Estimate(score.detach(), score, {"rate": torch.arange(18.0).reshape(6, 3)}, auxiliary_loss=2.5)

    with drawing_from(RecordedDraws(eps)):
        estimate = ImportanceWeighted()(with_terms, q, num_samples=6)
    assert estimate.terms["rate"].tolist() == [7.5, 8.5, 9.5]
    assert estimate.auxiliary_loss == 2.5


def test_bound_rises_with_samples_towards_the_exact_evidence():
    """z ~ N(0, 1), x | z ~ N(z, 1): log p(x) = log N(x | 0, 2). The exact expectation for one sample is known too."""
    torch.manual_seed(0)
    x = torch.tensor(1.5, dtype=torch.float64)
    copies = 4000
    q = Normal(torch.full((copies,), 0.3, dtype=torch.float64), 0.9)

    def log_weight(z):
        return Normal(0.0, 1.0).log_prob(z) + Normal(z, 1.0).log_prob(x) - q.log_prob(z)

    evidence = Normal(0.0, math.sqrt(2)).log_prob(x).item()
    elbo = evidence - torch.distributions.kl_divergence(Normal(0.3, 0.9), Normal(0.75, math.sqrt(0.5))).item()
    means, errors = [], []
    for num_samples in (1, 4, 32):
        values = ImportanceWeighted()(log_weight, q, num_samples=num_samples).value
        means.append(values.mean().item())
        errors.append(values.std().item() / math.sqrt(copies))
    assert abs(means[0] - elbo) < 5 * errors[0]
    for lower, higher, e, f in zip(means, means[1:], errors, errors[1:], strict=False):
        assert higher - lower > 5 * math.hypot(e, f)  # each step is a real rise
    assert means[-1] < evidence + 5 * errors[-1]
    assert means[0] < evidence - 5 * errors[0]


def test_target_and_refusal():
    assert ImportanceWeighted().target == "log_mean_exp"
    assert Pathwise().target == "expectation"
    with pytest.raises(ValueError, match="ImportanceWeighted needs.*Bernoulli.*Enumeration"):
        ImportanceWeighted()(lambda z: z.sum(-1), Independent(Bernoulli(torch.full((3,), 0.5)), 1))
