"""Sigmoid belief networks against sums over all bits, written out with loops; and the layout of z."""

from __future__ import annotations

import itertools

import pytest
import torch

from helpers.distributions import (
    LayeredBits,
    SigmoidBeliefGuide,
    SigmoidBeliefLikelihood,
    SigmoidBeliefPrior,
    support,
)
from helpers.models import sigmoid_belief_network
from helpers.networks import FeedForward

SIZES = (2, 3, 1)


def random_weights(*modules: torch.nn.Module) -> None:
    torch.manual_seed(4)
    for module in modules:
        module.double()
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter)


def log_bits(bits: tuple[float, ...], logits: torch.Tensor) -> torch.Tensor:
    """log of prod_d p_d^b_d (1 - p_d)^(1 - b_d), one bit at a time."""
    total = torch.zeros((), dtype=torch.float64)
    for bit, logit in zip(bits, logits, strict=True):
        p = 1 / (1 + torch.exp(-logit))
        total = total + torch.log(p if bit else 1 - p)
    return total


def linear(conditional, given: tuple[float, ...]) -> torch.Tensor:
    layer = next(part for part in conditional.network.modules() if isinstance(part, torch.nn.Linear))
    return layer.weight @ torch.tensor(given, dtype=torch.float64) + layer.bias


def test_prior_of_three_layers_is_the_product_of_its_layers_top_to_bottom() -> None:
    prior = SigmoidBeliefPrior(SIZES)
    random_weights(prior)
    for z in itertools.product((0.0, 1.0), repeat=6):
        h1, h2, h3 = z[:2], z[2:5], z[5:]
        by_hand = (
            log_bits(h3, prior.top.logits)
            + log_bits(h2, linear(prior.layers[1], h3))
            + log_bits(h1, linear(prior.layers[0], h2))
        )
        torch.testing.assert_close(prior(()).log_prob(torch.tensor(z, dtype=torch.float64)), by_hand)


def test_posterior_of_three_layers_is_the_product_of_its_layers_bottom_to_top() -> None:
    guide = SigmoidBeliefGuide(4, SIZES)
    random_weights(guide)
    x = (1.0, 0.0, 0.0, 1.0)
    q = guide(torch.tensor(x, dtype=torch.float64))
    for z in itertools.product((0.0, 1.0), repeat=6):
        h1, h2, h3 = z[:2], z[2:5], z[5:]
        by_hand = sum(
            log_bits(h, linear(layer, given))
            for layer, given, h in zip(guide.layers, (x, h1, h2), (h1, h2, h3), strict=True)
        )
        torch.testing.assert_close(q.log_prob(torch.tensor(z, dtype=torch.float64)), by_hand)


def test_likelihood_reads_the_layer_next_to_the_data_and_no_other() -> None:
    likelihood = SigmoidBeliefLikelihood(SIZES, 4)
    random_weights(likelihood)
    z = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 1.0], dtype=torch.float64)
    x = (0.0, 1.0, 1.0, 0.0)
    by_hand = log_bits(x, linear(likelihood.bottom, (1.0, 0.0)))
    torch.testing.assert_close(likelihood(z).log_prob(torch.tensor(x, dtype=torch.float64)), by_hand)
    other = z.clone()
    other[2:] = 1 - other[2:]
    torch.testing.assert_close(likelihood(other).base_dist.logits, likelihood(z).base_dist.logits, rtol=0, atol=0)


@pytest.mark.parametrize("sizes", [(4,), (2, 2), SIZES])
def test_log_marginal_and_posterior_are_the_sums_over_all_bits(sizes: tuple[int, ...]) -> None:
    model, _ = sigmoid_belief_network(sizes, (2, 2))
    random_weights(model)
    x = torch.tensor(
        [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]], dtype=torch.float64
    )
    every_z = torch.tensor(list(itertools.product((0.0, 1.0), repeat=sum(sizes))), dtype=torch.float64)
    for one in x:
        joint = torch.stack([model.prior(()).log_prob(z) + model.likelihood(z).log_prob(one) for z in every_z])
        torch.testing.assert_close(model.log_marginal(one), joint.logsumexp(0))
        exact = model.posterior(one)
        torch.testing.assert_close(exact.log_prob(every_z), joint - joint.logsumexp(0))
    torch.testing.assert_close(model.log_marginal(x), torch.stack([model.log_marginal(one) for one in x]))
    marginals = [
        model.log_marginal(torch.tensor(bits, dtype=torch.float64).reshape(2, 2))
        for bits in itertools.product((0.0, 1.0), repeat=4)
    ]
    torch.testing.assert_close(torch.stack(marginals).exp().sum(), torch.ones((), dtype=torch.float64))


@pytest.mark.parametrize("sizes", [(3,), (2, 2), SIZES])
def test_samples_have_the_frequencies_that_log_prob_says(sizes: tuple[int, ...]) -> None:
    prior, guide = SigmoidBeliefPrior(sizes), SigmoidBeliefGuide(2, sizes)
    random_weights(prior, guide)
    torch.manual_seed(0)
    count = 40_000
    for q in (prior(()), guide(torch.tensor([1.0, 0.0], dtype=torch.float64))):
        outcomes = support(q)
        place = 2.0 ** torch.arange(sum(sizes), dtype=torch.float64)
        drawn = torch.bincount((q.sample((count,)) @ place).long(), minlength=len(outcomes))[(outcomes @ place).long()]
        p = q.log_prob(outcomes).exp()
        torch.testing.assert_close(p.sum(), torch.ones((), dtype=torch.float64))
        error = (p * (1 - p) / count).sqrt()
        assert ((drawn / count - p).abs() < 6 * error + 1e-4).all()


def test_shapes_for_any_number_of_batch_dimensions() -> None:
    model, guide = sigmoid_belief_network(SIZES, (1, 2, 3))
    x = torch.randint(2, (5, 4, 1, 2, 3)).float()
    q = guide(x)
    assert isinstance(q, LayeredBits) and q.batch_shape == (5, 4) and q.event_shape == (6,)
    z = q.sample((7,))
    assert z.shape == (7, 5, 4, 6) and set(z.unique().tolist()) <= {0.0, 1.0} and not z.requires_grad
    assert q.log_prob(z).shape == (7, 5, 4)
    assert model.prior((5, 4)).sample((7,)).shape == z.shape
    assert [tuple(h.shape) for h in q.layers(z)] == [(7, 5, 4, 2), (7, 5, 4, 3), (7, 5, 4, 1)]
    assert q.enumerate_support().shape == (64, 5, 4, 6) and q.enumerate_support(expand=False).shape == (64, 1, 1, 6)
    assert model.sample((3,))[0].shape == (3, 1, 2, 3)


def test_networks_between_layers_may_be_deep() -> None:
    model, guide = sigmoid_belief_network((3, 2), 4, FeedForward((5,)))
    count = sum(isinstance(part, torch.nn.Softplus) for module in (model, guide) for part in module.modules())
    assert count == 4  # between x and h_1, and between h_1 and h_2, in model and guide


def test_one_layer_is_independent_bits() -> None:
    model, guide = sigmoid_belief_network((3,), 4)
    assert isinstance(guide(torch.ones(2, 4)), torch.distributions.Independent)
    assert isinstance(model.prior(()), torch.distributions.Independent)
    assert any(name.endswith("logits") for name, _ in model.prior.named_parameters())  # the prior has parameters


def test_too_many_bits_to_enumerate() -> None:
    model, _ = sigmoid_belief_network((200, 200), 4)
    with pytest.raises(ValueError, match=r"2\^400 outcomes"):
        model.log_marginal(torch.ones(4))


@pytest.mark.parametrize("sizes", [(), 200, (2, 0), (-1,)])
def test_sizes_that_are_none(sizes) -> None:
    for build in (
        SigmoidBeliefPrior,
        lambda sizes: SigmoidBeliefGuide(4, sizes),
        lambda sizes: SigmoidBeliefLikelihood(sizes, 4),
    ):
        with pytest.raises(ValueError, match="the bits of each layer"):
            build(sizes)


@pytest.mark.parametrize("places", [[slice(0, 2)], [slice(0, 2), slice(3, 5)], [slice(0, 2), slice(1, 3)]])
def test_places_that_do_not_cover_z(places: list[slice]) -> None:
    guide = SigmoidBeliefGuide(4, (2, 2))
    with pytest.raises(ValueError, match="cover z once"):
        LayeredBits(guide.layers[0](torch.ones(4)), [guide.layers[1]], places)
