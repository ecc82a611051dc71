"""VampPrior: the exact average of the guide over pseudo-inputs; gradients of pseudo-inputs and encoder; saved once."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from helpers.distributions import (
    AffineCouplingConditional,
    BernoulliConditional,
    BernoulliPrior,
    GaussianConditional,
    InverseAutoregressiveConditional,
    MixtureOfGaussiansConditional,
    PlanarFlowConditional,
    SigmoidBeliefGuide,
    VampPrior,
    support,
)
from helpers.models import AmortizedGuide, Elbo, LatentVariableModel
from helpers.networks import ConvolutionalEncoder, FeedForward
from helpers.training import load_weights, save_weights

IMAGE = (3, 5, 4)
GUIDES = {
    "gaussian": GaussianConditional,
    "mixture": lambda given, event, network: MixtureOfGaussiansConditional(given, event, network, 2),
    "planar": PlanarFlowConditional,
    "coupling": AffineCouplingConditional,
    "autoregressive": InverseAutoregressiveConditional,
}


def make(kind="gaussian", event=2, components=3):
    guide = GUIDES[kind](IMAGE, event, ConvolutionalEncoder((4,)))
    return guide, VampPrior(guide, torch.rand(components, *IMAGE))


@pytest.mark.parametrize("kind", GUIDES)
@pytest.mark.parametrize("event", [2, (2, 3)])
def test_it_is_the_average_of_the_posteriors(kind, event):
    guide, prior = make(kind, event)
    guide.double(), prior.double()
    z = torch.randn(4, *prior.event_shape).double()
    p = prior((5, 4))
    assert p.batch_shape == (5, 4)
    assert p.event_shape == prior.event_shape == guide.event_shape
    scores = torch.stack([guide(u).log_prob(z) for u in prior.pseudo_inputs])
    expected = scores.logsumexp(0) - math.log(3)
    torch.testing.assert_close(p.log_prob(z), expected.expand(5, 4))
    assert p.sample((2,)).shape == (2, 5, 4, *prior.event_shape)
    torch.testing.assert_close(prior().log_prob(z), expected)


def test_samples_match_and_the_density_integrates_to_one():
    guide, prior = make()
    guide.double(), prior.double()
    with torch.no_grad():
        guide.network.network[-1].weight.mul_(8)
        x = torch.linspace(-12, 12, 241, dtype=torch.float64)
        points = torch.cartesian_prod(x, x)
        mass = prior().log_prob(points).exp() * 0.1**2
        assert mass.sum().item() == pytest.approx(1.0, abs=1e-8)
        draws = prior((20_000,)).sample()
        for function in (lambda z: z, lambda z: z**2, torch.sin):
            exact = mass @ function(points)
            variance = mass @ (function(points) - exact) ** 2
            assert ((function(draws).mean(0) - exact).abs() < 5 * (variance / 20_000).sqrt()).all()


def test_one_pseudo_input_makes_it_that_posterior():
    guide, prior = make(components=1)
    z = torch.randn(6, 2)
    torch.testing.assert_close(prior((6,)).log_prob(z), guide(prior.pseudo_inputs[0]).log_prob(z))


def bound(kind="gaussian"):
    guide, prior = make(kind)
    model = LatentVariableModel(prior, BernoulliConditional(2, IMAGE, FeedForward((5,))))
    return Elbo(model, AmortizedGuide(guide))


@pytest.mark.parametrize("kind", ["gaussian", "planar", "coupling", "autoregressive"])
def test_pseudo_inputs_encoder_and_decoder_all_get_gradients(kind):
    objective = bound(kind)
    names = [name for name, _ in objective.named_parameters()]
    assert "model.prior.logits" in names
    assert not [
        name for name in names if name.startswith("model.prior.") and name != "model.prior.logits"
    ]  # the guide is registered once
    objective(torch.rand(6, *IMAGE)).surrogate.sum().backward()
    for name, parameter in objective.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    # log p(z) alone has a gradient in the encoder's parameters
    encoder = [*objective.guide.parameters()]
    (score,) = objective.model.prior((1,)).log_prob(torch.randn(1, 2))
    assert any(
        gradient is not None and gradient.abs().max() > 0
        for gradient in torch.autograd.grad(score, encoder, allow_unused=True)
    )


def test_pictures_that_are_black_and_white_still_learn():
    guide, _ = make()
    prior = VampPrior(guide, torch.stack([torch.zeros(IMAGE), torch.ones(IMAGE)]))
    torch.testing.assert_close(prior.pseudo_inputs[0], torch.full(IMAGE, 0.01))
    prior().log_prob(torch.ones(2)).backward()
    assert (prior.logits.grad != 0).float().mean() > 0.5
    with torch.no_grad():
        prior.logits.add_(1e4)
    assert ((prior.pseudo_inputs >= 0) & (prior.pseudo_inputs <= 1)).all()


def test_saved_once_and_tied_in_a_copy(tmp_path):
    one, other = bound(), bound()
    save_weights(one, tmp_path / "vamp.safetensors")
    load_weights(other, tmp_path / "vamp.safetensors")
    z = torch.randn(2)
    torch.testing.assert_close(other.model.prior().log_prob(z), one.model.prior().log_prob(z))
    twin = copy.deepcopy(one)
    assert twin.model.prior.guide is twin.guide.conditional is not one.guide.conditional


@pytest.mark.parametrize("sizes", [(3,), (2, 2)])
def test_a_sigmoid_belief_guide_makes_one_too(sizes):
    guide = SigmoidBeliefGuide(IMAGE, sizes).double()
    prior = VampPrior(guide, torch.rand(3, *IMAGE)).double()
    outcomes = support(BernoulliPrior(sum(sizes))()).double()
    expected = torch.stack([guide(u).log_prob(outcomes) for u in prior.pseudo_inputs]).logsumexp(0) - math.log(3)
    torch.testing.assert_close(prior().log_prob(outcomes), expected)
    torch.testing.assert_close(expected.logsumexp(0), torch.zeros((), dtype=torch.float64))
    assert prior((5, 4)).sample((2,)).shape == (2, 5, 4, sum(sizes))


def test_refusals():
    guide, _ = make()
    with pytest.raises(ValueError, match="made of a conditional.*AmortizedGuide was given.*`.conditional`"):
        VampPrior(AmortizedGuide(guide), torch.rand(3, *IMAGE))
    for inputs, sentence in (
        (torch.rand(3, 1, 5, 4), "pseudo-inputs of VampPrior with.*channels is 1, and 3"),
        (torch.rand(*IMAGE), r"in a list, \[components, 3, 5, 4\]"),
        (torch.rand(2, 3, *IMAGE), "in a list"),
        (torch.rand(0, *IMAGE), "no pseudo-inputs"),
        (255 * torch.rand(3, *IMAGE), "pseudo-inputs from .*divide by 255"),
        (torch.full((3, *IMAGE), math.nan), "NaN"),
    ):
        with pytest.raises(ValueError, match=sentence):
            VampPrior(guide, inputs)
