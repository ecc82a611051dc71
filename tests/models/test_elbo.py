"""Both bounds: against exact values, their terms, their composition with estimators, and what they refuse."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import kl_divergence

from helpers.distributions import CategoricalConditional, GaussianConditional, MixtureOfGaussiansPrior
from helpers.estimators import Enumeration, ImportanceWeighted, Pathwise, drawing_from
from helpers.models import AmortizedGuide, AnalyticKlElbo, Elbo, LatentVariableModel
from helpers.networks import FeedForward


def test_the_bound_is_evidence_minus_kl(linear_gaussian):
    """E_q[log p(x, z) - log q] = log p(x) - KL(q || p(z | x)), both known here; for both bounds, within their standard error."""
    x, _ = linear_gaussian.model.sample((3,))
    guide = linear_gaussian.mean_field(1.2)
    q = guide(x)
    full = torch.distributions.MultivariateNormal(q.mean, torch.diag_embed(q.variance))
    exact = (linear_gaussian.evidence().log_prob(x) - kl_divergence(full, linear_gaussian.posterior(x))).detach()
    for kind in (Elbo, AnalyticKlElbo):
        objective = kind(linear_gaussian.model, guide, num_samples=1)
        with torch.no_grad():
            values = objective(x.expand(20_000, 3, 4)).value
        assert ((values.mean(0) - exact).abs() < 5 * values.std(0) / math.sqrt(20_000)).all()
    assert (exact < linear_gaussian.evidence().log_prob(x)).all()


@pytest.mark.parametrize("kind", [Elbo, AnalyticKlElbo])
@pytest.mark.parametrize("rate_weight", [0.0, 0.25, 1.0, 4.0])
def test_value_is_minus_distortion_minus_weighted_rate(vae, kind, rate_weight):
    model, guide = vae()
    x = torch.rand(5, 1, 3, 4, dtype=torch.float64)
    estimate = kind(model, guide, num_samples=3, rate_weight=rate_weight)(x)
    terms = estimate.terms
    assert set(terms) == {"distortion", "rate"}
    torch.testing.assert_close(
        estimate.value, -terms["distortion"] - rate_weight * terms["rate"], rtol=1e-12, atol=1e-12
    )
    assert estimate.value.shape == estimate.surrogate.shape == (5,)
    assert not any(t.requires_grad for t in (estimate.value, *terms.values()))
    if kind is AnalyticKlElbo:
        q = guide(x)
        exact = (0.5 * (q.mean**2 + q.variance - 1) - q.stddev.log()).sum(-1)
        torch.testing.assert_close(terms["rate"], exact.detach(), rtol=1e-12, atol=1e-12)


def test_enumeration_of_a_finite_latent_is_the_exact_bound_and_equals_log_marginal_at_the_posterior(mixture):
    """With the exact posterior as q the bound is log p(x), and with any other q it is less by the KL."""
    x = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    evidence = mixture.log_marginal(x).detach()
    exact = Elbo(mixture, mixture.posterior, Enumeration())(x)
    torch.testing.assert_close(exact.value, evidence, rtol=1e-10, atol=1e-10)

    torch.manual_seed(0)
    guide = AmortizedGuide(CategoricalConditional(3, (2, 3), FeedForward(()))).double()
    estimate = Elbo(mixture, guide, Enumeration())(x)
    z = mixture.posterior(x).enumerate_support()
    q = guide(x).log_prob(z)
    kl = (q.exp() * (q - mixture.posterior(x).log_prob(z))).sum(0)
    torch.testing.assert_close(estimate.value, (evidence - kl).detach(), rtol=1e-10, atol=1e-10)
    parameters = [*mixture.parameters(), *guide.parameters()]
    ours = torch.autograd.grad(estimate.surrogate.sum(), parameters)
    theirs = torch.autograd.grad((mixture.log_marginal(x) - kl).sum(), parameters)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-11)

    analytic = AnalyticKlElbo(mixture, guide, Enumeration())(x)  # the two bounds are equal if both are exact
    torch.testing.assert_close(analytic.value, estimate.value, rtol=1e-10, atol=1e-10)
    for mine, other in zip(torch.autograd.grad(analytic.surrogate.sum(), parameters), theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-11)


def test_importance_weighting_tightens_the_bound_below_the_evidence(linear_gaussian):
    x, _ = linear_gaussian.model.sample()
    evidence = linear_gaussian.evidence().log_prob(x).item()
    copies = x.expand(4000, 4)
    means, errors = [], []
    for samples in (1, 5, 50):
        objective = Elbo(linear_gaussian.model, linear_gaussian.mean_field(1.5), ImportanceWeighted(), samples)
        with torch.no_grad():
            estimate = objective(copies)
        means.append(estimate.value.mean().item())
        errors.append(estimate.value.std().item() / math.sqrt(4000))
    assert means[0] + 5 * errors[0] < means[1] - 5 * errors[1]
    assert means[1] < means[2] < evidence + 5 * errors[2]
    assert evidence - means[2] < (evidence - means[0]) / 10
    assert (-estimate.terms["distortion"] - estimate.terms["rate"]).mean() < means[2]  # terms are those of one sample


def test_context_is_the_batch_and_samples_are_asked_for(vae):
    model, guide = vae()
    seen = {}

    class Watching(Pathwise):
        def estimate(self, f, q, num_samples, context):
            seen.update(num_samples=num_samples, context=context)
            return super().estimate(f, q, num_samples, context)

    x = torch.rand(2, 1, 3, 4, dtype=torch.float64)
    for kind in (Elbo, AnalyticKlElbo):
        kind(model, guide, Watching(), num_samples=3)(x)
        assert seen["num_samples"] == 3
        assert seen["context"] is x
    assert "estimator" in dict(Elbo(model, guide, Watching()).named_children())  # its state is saved with the rest


def test_nothing_draws_behind_the_sources_back(vae, replay_noise):
    model, guide = vae()
    before = torch.get_rng_state()
    with drawing_from(replay_noise(torch.zeros(2, 3, 2, dtype=torch.float64))):
        for kind in (Elbo, AnalyticKlElbo):
            kind(model, guide, num_samples=2)(torch.full((3, 1, 3, 4), 0.5, dtype=torch.float64))
    assert torch.equal(torch.get_rng_state(), before)


def test_refusals(vae):
    model, guide = vae()
    x = torch.rand(2, 1, 3, 4, dtype=torch.float64)
    with pytest.raises(ValueError, match="ImportanceWeighted has the target 'log_mean_exp'.*is no bound. Use `Elbo`"):
        AnalyticKlElbo(model, guide, ImportanceWeighted())
    mixed = LatentVariableModel(MixtureOfGaussiansPrior(2, 3).double(), model.likelihood)
    with pytest.raises(ValueError, match="no closed form for KL.*MixtureOfGaussiansPrior. Use `Elbo`"):
        AnalyticKlElbo(mixed, guide)(x)
    assert Elbo(mixed, guide)(x).value.shape == (2,)
    for kind in (Elbo, AnalyticKlElbo):
        with pytest.raises(ValueError, match=r"z of shape \(3,\), and p\(z\) of shape \(2,\)"):
            kind(model, AmortizedGuide(GaussianConditional((1, 3, 4), 3, FeedForward(()))))
        with pytest.raises(ValueError, match="images alone, and a tuple of 2 was given.*images only"):
            kind(model, guide)((x, torch.zeros(2)))
