"""Recipes: dropout, sizes and counts against counts by hand, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.distributions import (
    BernoulliConditional,
    ConvolutionalDecoder,
    ConvolutionalEncoder,
    FeedForward,
    GaussianConditional,
    count_multiply_adds,
    count_parameters,
)


def test_feed_forward_counts_by_hand():
    network = FeedForward((400,)).build((784,), (2, 50))
    assert count_parameters(network) == 784 * 400 + 400 + 400 * 100 + 100
    assert count_multiply_adds(network, (784,)) == 784 * 400 + 400 * 100
    assert count_parameters(FeedForward(()).build((3,), (2, 2))) == 3 * 4 + 4
    network.network[0].bias.requires_grad_(False)
    assert count_parameters(network) == 784 * 400 + 400 * 100 + 100  # trainable ones


def test_convolutional_counts_by_hand():
    """28x28 → 14x14 → 7x7 and back: each 3x3 kernel acts once per position of the smaller map."""
    encoder = ConvolutionalEncoder((32, 64)).build((1, 28, 28), (20,))
    assert count_parameters(encoder) == (9 * 32 + 32) + (9 * 32 * 64 + 64) + (64 * 49 * 20 + 20)
    assert count_multiply_adds(encoder, (1, 28, 28)) == 9 * 32 * 14**2 + 9 * 32 * 64 * 7**2 + 64 * 49 * 20
    decoder = ConvolutionalDecoder((32, 64)).build((10,), (1, 28, 28))
    assert count_parameters(decoder) == (10 * 64 * 49 + 64 * 49) + (9 * 32 * 64 + 32) + (9 * 32 + 1)
    assert count_multiply_adds(decoder, (10,)) == 10 * 64 * 49 + 9 * 32 * 64 * 7**2 + 9 * 32 * 14**2


def test_counting_leaves_no_trace():
    network = FeedForward((3,)).build((2,), (2,))
    count_multiply_adds(network, (2,))
    assert not any(layer._forward_hooks for layer in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_layers_are_those_of_the_recipe():
    kinds = [type(layer) for layer in FeedForward((5, 4), nn.Tanh, dropout=0.5).build((3,), (2,)).network]
    assert kinds == [nn.Linear, nn.Tanh, nn.Dropout, nn.Linear, nn.Tanh, nn.Dropout, nn.Linear]
    assert nn.Dropout not in [type(layer) for layer in FeedForward((5,)).build((3,), (2,)).network]


@pytest.mark.parametrize(
    ("recipe", "given", "event"),
    [
        (FeedForward((64,), dropout=0.5), (1, 5, 5), (3,)),
        (ConvolutionalEncoder((8,), dropout=0.5), (1, 5, 5), (3,)),
        (ConvolutionalDecoder((8,), dropout=0.5), (3,), (1, 5, 5)),
    ],
)
def test_dropout_acts_in_training_mode_only(recipe, given, event):
    conditional = GaussianConditional(given, event, recipe)
    x = torch.rand(2, *given)
    assert not torch.equal(conditional(x).mean, conditional(x).mean)
    conditional.eval()
    assert torch.equal(conditional(x).mean, conditional(x).mean)


def test_every_pixel_and_every_weight_is_used():
    """A decoder whose padding were wrong would crop or leave a border that nothing reaches."""
    for size in ((1, 1, 1), (3, 2, 5), (1, 7, 4), (3, 9, 9)):
        decoder = ConvolutionalDecoder((2, 3)).build((4,), size)
        out = decoder(torch.randn(6, 4))
        assert out.shape == (6, *size)
        assert (out.std(0) > 0).float().mean() > 0.9  # depends on z
        out.square().sum().backward()
        assert all(parameter.grad.abs().sum() > 0 for parameter in decoder.parameters())


def test_refusals():
    with pytest.raises(ValueError, match=r"images \[channels, height, width\].*\(784,\)"):
        GaussianConditional((784,), 3, ConvolutionalEncoder())
    with pytest.raises(ValueError, match="Use FeedForward"):
        BernoulliConditional(3, (784,), ConvolutionalDecoder())
    with pytest.raises(ValueError, match=r"returned the shape \(5, 7\) where \(5, 2, 4\) was expected"):
        GaussianConditional(3, 4, nn.Linear(3, 7))(torch.ones(5, 3))
