"""Mixtures of Gaussians at their limits: one component, a component of weight 0, and scales near 0 or very large."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import softplus

from helpers.distributions import GaussianConditional, MixtureOfGaussiansConditional, MixtureOfGaussiansPrior
from helpers.networks import ConvolutionalEncoder, FeedForward


def given_numbers(event, components, numbers):
    """A conditional that returns the same parameters whatever it is given."""
    module = MixtureOfGaussiansConditional(1, event, FeedForward(()), components).to(numbers.dtype)
    with torch.no_grad():
        module.network.network[0].weight.zero_()
        module.network.network[0].bias.copy_(numbers)
    return module


@pytest.mark.parametrize("event", [(), (2,), (2, 3)])
def test_the_density_written_out(event):
    """The network's outputs are K logits, then the K means, then the K raw scales, each of the outcome's shape."""
    size, components = math.prod(event), 3
    numbers = torch.randn(components * (1 + 2 * size), dtype=torch.float64)
    q = given_numbers(event, components, numbers)(torch.zeros(4, 1, dtype=torch.float64))
    z = torch.randn(4, *event, dtype=torch.float64)
    weights = numbers[:components].exp() / numbers[:components].exp().sum()
    loc, raw = numbers[components:].split(components * size)
    total = torch.zeros(4, dtype=torch.float64)
    for weight, m, s in zip(
        weights, loc.view(components, size), softplus(raw).view(components, size) + 1e-5, strict=True
    ):
        each = torch.exp(-(((z.reshape(4, size) - m) / s) ** 2) / 2) / (s * math.sqrt(2 * math.pi))
        total += weight * each.prod(-1)
    torch.testing.assert_close(q.log_prob(z), total.log())


@pytest.mark.parametrize("event", [(2,), (2, 3)])
def test_a_mixture_of_one_is_a_gaussian(event):
    numbers = torch.randn(1 + 2 * math.prod(event), dtype=torch.float64)
    q = given_numbers(event, 1, numbers)(torch.zeros(5, 1, dtype=torch.float64))
    plain = GaussianConditional(1, event, FeedForward(())).double()
    with torch.no_grad():
        plain.network.network[0].weight.zero_()
        plain.network.network[0].bias.copy_(numbers[1:])
    z = torch.randn(5, *event, dtype=torch.float64)
    torch.testing.assert_close(q.log_prob(z), plain(torch.zeros(5, 1, dtype=torch.float64)).log_prob(z))
    prior = MixtureOfGaussiansPrior(event, 1)
    expected = (
        torch.distributions.Normal(prior.loc[0], softplus(prior.raw_scale[0])).log_prob(z.float()).flatten(1).sum(1)
    )
    torch.testing.assert_close(prior((5,)).log_prob(z.float()), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("logit", [-1e4, -1e30, -math.inf])
def test_a_component_that_dies_leaves_the_others(logit):
    full = torch.randn(3 * 5)
    full[1] = logit
    kept = torch.cat([part[[0, 2]].flatten() for part in (full[:3], full[3:9].view(3, 2), full[9:].view(3, 2))])
    q, without = (given_numbers((2,), k, numbers)(torch.zeros(1)) for k, numbers in ((3, full), (2, kept)))
    z = torch.randn(50, 2)
    torch.testing.assert_close(q.log_prob(z), without.log_prob(z))
    assert torch.isfinite(q.sample((100,))).all()

    prior = MixtureOfGaussiansPrior(2, 3)
    with torch.no_grad():
        prior.logits[1] = logit
    score = prior((50,)).log_prob(z)
    score.sum().backward()
    assert torch.isfinite(score).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in prior.parameters())
    assert prior.loc.grad[1].abs().max() == 0  # its responsibility is 0
    assert prior.loc.grad[0].abs().max() > 0


@pytest.mark.parametrize("raw", [-1e30, -200.0, 1e12])
@pytest.mark.parametrize("where", ["prior", "conditional"])
def test_scales_that_vanish_or_explode_keep_density_and_gradient_finite(where, raw):
    if where == "prior":
        module = MixtureOfGaussiansPrior(2, 3)
        with torch.no_grad():
            module.raw_scale[1] = raw
    else:
        numbers = torch.randn(3 * 5)
        numbers[11:13] = raw
        module = given_numbers((2,), 3, numbers)
    q = module((7,)) if where == "prior" else module(torch.zeros(7, 1))
    collapsed = q.component_distribution.base_dist.loc[0, 1].detach()
    z = torch.cat([collapsed.expand(1, 2), torch.randn(6, 2)])  # the first is on the collapsed component
    score = q.log_prob(z)
    score.sum().backward()
    assert torch.isfinite(score).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in module.parameters())
    assert torch.isfinite(q.sample((20,))).all()


def test_components_start_apart_and_the_prior_moves_to_where_the_points_are():
    prior = MixtureOfGaussiansPrior(1, 2)
    assert (prior.loc[0] - prior.loc[1]).abs() > 1e-3
    points = torch.cat([torch.randn(200, 1) * 0.3 - 2, torch.randn(100, 1) * 0.3 + 3])
    optimizer = torch.optim.Adam(prior.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        (-prior((300,)).log_prob(points).mean()).backward()
        optimizer.step()
    order = prior.loc.flatten().argsort()
    assert prior.loc.flatten()[order].tolist() == pytest.approx([-2, 3], abs=0.15)
    assert prior.logits.softmax(0)[order].tolist() == pytest.approx([2 / 3, 1 / 3], abs=0.02)


def test_a_matrix_code_of_a_colour_image():
    guide = MixtureOfGaussiansConditional((3, 9, 12), (4, 3), ConvolutionalEncoder((4, 8), dropout=0.1), 5)
    q = guide(torch.rand(2, 6, 3, 9, 12))
    assert q.batch_shape == (2, 6)
    assert q.event_shape == (4, 3)
    q.log_prob(q.sample((2,))).sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in guide.parameters())
