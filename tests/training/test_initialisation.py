"""Initial weights and biases: what a network does before training, in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from helpers.distributions import BernoulliConditional, BernoulliPrior
from helpers.models import AmortizedGuide, LatentVariableModel
from helpers.networks import FeedForward
from helpers.training import initialise, initialise_layers

IMAGES = (torch.rand(40, 1, 3, 3, generator=torch.Generator().manual_seed(0)) > 0.3).double()
IMAGES[:, 0, 0, 0] = 0.0  # a pixel that is never on
IMAGES[:, 0, 2, 2] = 1.0  # and one that always is


def layers(network: nn.Module) -> list[nn.Linear]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


@pytest.fixture
def networks() -> tuple[LatentVariableModel, AmortizedGuide]:
    torch.manual_seed(0)
    model = LatentVariableModel(BernoulliPrior(4), BernoulliConditional(4, (1, 3, 3), FeedForward((6, 5)))).double()
    guide = AmortizedGuide(BernoulliConditional((1, 3, 3), 4, FeedForward((7, 8)))).double()
    for layer in layers(model) + layers(guide):
        nn.init.constant_(layer.weight, 99.0)
        nn.init.constant_(layer.bias, 99.0)
    initialise(model, guide, IMAGES)
    return model, guide


def test_the_encoder_sees_images_minus_their_mean(networks):
    """Averaged over the training images, the first layer's outputs are zero; those of the mean image too."""
    first = layers(networks[1])[0]
    assert first(IMAGES.flatten(1)).mean(0).abs().max() < 1e-14
    assert first(IMAGES.mean(0).flatten()).abs().max() < 1e-14
    assert first.bias.abs().min() > 1e-2  # the weights alone are not centred, so the test can fail


def test_with_zero_weights_the_decoder_has_the_right_frequency_of_each_pixel(networks):
    """The last bias alone makes the mean image, except that pixels never or always on are at 0.001 and 0.999."""
    last = layers(networks[0])[-1]
    expected = IMAGES.mean(0).flatten()
    expected[0], expected[8] = 0.001, 0.999
    assert torch.allclose(torch.sigmoid(last.bias), expected, rtol=0, atol=1e-12)


def test_weights_are_uniform_within_glorots_bounds(networks):
    """Var = 2 / (fan_in + fan_out), so the bound is sqrt(6 / (fan_in + fan_out))."""
    for layer in layers(networks[0]) + layers(networks[1]):
        bound = math.sqrt(6 / (layer.in_features + layer.out_features))
        assert 0.7 * bound < layer.weight.abs().max() <= bound  # of 20 draws or more: above 0.7 but for 0.7^20 = 0.0008


def test_other_biases_are_zero(networks):
    others = layers(networks[0])[:-1] + layers(networks[1])[1:]
    assert len(others) == 4
    assert all((layer.bias == 0).all() for layer in others)


def test_several_encoders_are_centred_and_networks_without_images_are_plain():
    torch.manual_seed(0)
    decoder, encoders, other = nn.Linear(2, 9), [nn.Linear(9, 3), nn.Linear(9, 4)], nn.Linear(9, 2)
    without_bias = nn.Linear(3, 2, bias=False)
    initialise_layers(decoder, encoders, IMAGES.float(), [other, without_bias])
    for encoder in encoders:
        assert encoder(IMAGES.float().flatten(1)).mean(0).abs().max() < 1e-6
    assert (other.bias == 0).all()
    assert without_bias.weight.abs().max() <= math.sqrt(6 / 5)


def test_biases_can_still_be_trained(networks):
    assert all(parameter.requires_grad for module in networks for parameter in module.parameters())


@pytest.mark.parametrize(
    ("decoder", "encoder", "words"),
    [
        (
            nn.Linear(2, 9, bias=False),
            nn.Linear(9, 2),
            "decoder Linear whose last linear layer has no bias; expected one",
        ),
        (nn.Linear(2, 9), nn.Linear(9, 2, bias=False), "encoder Linear whose first linear layer has no bias"),
        (
            nn.Linear(2, 9),
            nn.Sequential(nn.Linear(9, 3, bias=False), nn.Linear(3, 2)),
            "encoder Sequential whose first",
        ),
        (nn.Conv2d(1, 1, 1), nn.Linear(9, 2), "decoder Conv2d without a linear layer; expected"),
        (nn.Linear(2, 9), nn.Identity(), "encoder Identity without a linear layer"),
    ],
)
def test_a_layer_that_cannot_hold_the_mean_is_refused_and_nothing_changes(decoder, encoder, words):
    before = [parameter.clone() for network in (decoder, encoder) for parameter in network.parameters()]
    with pytest.raises(ValueError, match=words):
        initialise_layers(decoder, [encoder], IMAGES.float())
    after = [parameter for network in (decoder, encoder) for parameter in network.parameters()]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_inner_layers_need_no_bias():
    encoder = nn.Sequential(nn.Linear(9, 3), nn.Linear(3, 2, bias=False))
    initialise_layers(nn.Sequential(nn.Linear(2, 3, bias=False), nn.Linear(3, 9)), [encoder], IMAGES.float())
    assert encoder[0](IMAGES.float().flatten(1)).mean(0).abs().max() < 1e-6
