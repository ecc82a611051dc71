"""p(x, z): exact marginals and posteriors against brute force and closed forms; samples against both."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from helpers.distributions import BernoulliConditional, BernoulliPrior, GaussianConditional, StandardNormalPrior
from helpers.models import AmortizedGuide, LatentVariableModel
from helpers.networks import FeedForward


def all_z() -> torch.Tensor:
    """Every pair of three-way choices, one-hot, listed by hand: [9, 2, 3]."""
    eye = torch.eye(3, dtype=torch.float64)
    return torch.stack([torch.stack([eye[i], eye[j]]) for i, j in itertools.product(range(3), repeat=2)])


def brute_force_joint(model, x: torch.Tensor) -> torch.Tensor:
    """p(x, z) for every z, from the tables themselves, in plain probabilities: [9]."""
    prior = model.prior.logits.softmax(-1)
    network = model.likelihood.network.network[0]
    joint = []
    for z in all_z():
        p_z = (prior * z).sum(-1).prod()
        p = torch.sigmoid(network.weight @ z.flatten() + network.bias)
        joint.append(p_z * torch.where(x == 1, p, 1 - p).prod())
    return torch.stack(joint)


def all_x() -> torch.Tensor:
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3)


def test_log_joint_marginal_and_posterior_against_brute_force(mixture):
    x = all_x()
    table = torch.stack([brute_force_joint(mixture, row) for row in x])  # [8, 9]
    assert table.sum().item() == pytest.approx(1.0, abs=1e-12)
    z = all_z()
    torch.testing.assert_close(
        mixture.log_joint(x, z[:, None].expand(9, 8, 2, 3)), table.T.log(), rtol=1e-10, atol=1e-10
    )
    torch.testing.assert_close(mixture.log_marginal(x), table.sum(1).log(), rtol=1e-10, atol=1e-10)
    posterior = mixture.posterior(x)
    expected = (table / table.sum(1, keepdim=True)).T
    torch.testing.assert_close(
        posterior.log_prob(z[:, None].expand(9, 8, 2, 3)).exp(), expected, rtol=1e-10, atol=1e-10
    )
    torch.testing.assert_close(posterior.mean, torch.einsum("zx,zij->xij", expected, z), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("batch", [(), (4,), (2, 1, 3)])
def test_shapes_with_any_batch(mixture, batch):
    x = torch.ones(*batch, 3, dtype=torch.float64)
    assert mixture.log_marginal(x).shape == batch
    posterior = mixture.posterior(x)
    assert posterior.batch_shape == batch
    assert posterior.event_shape == (2, 3)
    z = posterior.sample((5,))
    assert mixture.log_joint(x, z).shape == (5, *batch)
    assert mixture.naive_lower_bound(x, 7).shape == batch
    drawn, latent = mixture.sample(batch)
    assert (drawn.shape, latent.shape) == ((*batch, 3), (*batch, 2, 3))
    assert mixture.sample_given(latent, 6).shape == (6, *batch, 3)
    assert [t.shape for t in mixture.resample(mixture.posterior, drawn, 6)] == [(6, *batch, 3), (6, *batch, 2, 3)]
    assert mixture.sample(4)[0].shape == (4, 3)


def test_the_gradient_of_log_marginal_is_that_of_brute_force(mixture):
    x = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    ours = torch.autograd.grad(mixture.log_marginal(x), list(mixture.parameters()))
    theirs = torch.autograd.grad(brute_force_joint(mixture, x).sum().log(), list(mixture.parameters()))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-12)


def frequencies(x: torch.Tensor) -> torch.Tensor:
    """How often each of the eight outcomes occurs. x: [draws, 3]."""
    return (x[:, None] == all_x()).all(-1).double().mean(0)


def test_samples_follow_the_model(mixture):
    """x and z drawn together, x given one z, and x' by way of the exact posterior: each against its own table."""
    draws = 40_000
    table = torch.stack([brute_force_joint(mixture, row) for row in all_x()]).detach()  # [8, 9]
    one = all_z()[5]
    x = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    given_z = (table / table.sum(0))[:, 5]
    again = (table / table.sum(0)) @ (table[4] / table[4].sum())  # sum_z p(x' | z) p(z | x), x = 100 is row 4
    for drawn, probability in (
        (mixture.sample(draws)[0], table.sum(1)),
        (mixture.sample_given(one, draws), given_z),
        (mixture.resample(mixture.posterior, x, draws)[0], again),
    ):
        error = (probability * (1 - probability) / draws).sqrt()
        assert ((frequencies(drawn) - probability).abs() < 5 * error).all()
    x, z = mixture.sample(draws)  # the pair belongs together
    joint = ((x[:, 2] == 1) & (z[:, 0, 1] == 1)).double().mean()
    exact = table[[1, 3, 5, 7]][:, [3, 4, 5]].sum()
    assert (joint - exact).abs() < 5 * (exact * (1 - exact) / draws).sqrt()
    assert not x.requires_grad


def test_linear_gaussian_joint_is_evidence_times_posterior(linear_gaussian):
    x, z = linear_gaussian.model.sample((6,))
    exact = linear_gaussian.evidence().log_prob(x) + linear_gaussian.posterior(x).log_prob(z)
    torch.testing.assert_close(linear_gaussian.model.log_joint(x, z), exact, rtol=1e-9, atol=1e-9)


def test_naive_bound_is_below_the_evidence_and_near_it_with_many_samples(linear_gaussian, mixture):
    x = linear_gaussian.bias.expand(400, -1)
    evidence = linear_gaussian.evidence().log_prob(x[0]).item()
    with torch.no_grad():
        values = {samples: linear_gaussian.model.naive_lower_bound(x, samples) for samples in (1, 10, 1000)}
    means = {samples: value.mean().item() for samples, value in values.items()}
    errors = {samples: value.std().item() / 20 for samples, value in values.items()}
    assert means[1] + 5 * errors[1] < means[10] - 5 * errors[10] < means[1000] < evidence + 5 * errors[1000]
    # One sample: E log p(x | z), known in closed form, z having mean 0 and covariance I and x its mean.
    s = linear_gaussian.scale
    exact = -(s.log() + 0.5 * math.log(2 * math.pi) + 0.5 * (linear_gaussian.weight**2).sum(1) / s**2).sum()
    assert abs(means[1] - exact.item()) < 5 * errors[1]
    # p(x) itself is an unbiased average: in probabilities, not logs.
    x = torch.ones(20_000, 3, dtype=torch.float64)
    weights = mixture.naive_lower_bound(x, 1).exp()
    assert (weights.mean() - mixture.log_marginal(x[0]).exp()).abs() < 5 * weights.std() / math.sqrt(20_000)


def test_what_cannot_be_summed_says_why(linear_gaussian):
    x = torch.zeros(4, dtype=torch.float64)
    for ask in (linear_gaussian.model.log_marginal, linear_gaussian.model.posterior):
        with pytest.raises(ValueError, match="only by summing over every z.*Normal cannot list.*naive_lower_bound"):
            ask(x)
    wide = LatentVariableModel(BernoulliPrior(50), BernoulliConditional(50, 4, FeedForward(())))
    with pytest.raises(ValueError, match=r"2\^50 outcomes"):
        wide.log_marginal(torch.zeros(4))
    with pytest.raises(ValueError, match="Got no outcomes"):
        wide.log_marginal(torch.zeros(0, 4))


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"prior makes z of shape \(3,\), and the likelihood reads z of shape \(2,\)"):
        LatentVariableModel(StandardNormalPrior(3), BernoulliConditional(2, 4, FeedForward(())))


def test_amortized_posterior_is_its_conditional():
    conditional = GaussianConditional((1, 2, 2), 3, FeedForward(()))
    posterior = AmortizedGuide(conditional)
    x = torch.rand(5, 1, 2, 2)
    assert posterior.event_shape == (3,)
    assert torch.equal(posterior(x).mean, conditional(x).mean)
    assert len(list(posterior.parameters())) == 2
