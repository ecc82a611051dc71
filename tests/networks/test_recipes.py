"""Recipes: dropout, sizes and counts against counts by hand, and errors."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.distributions import (
    BernoulliConditional,
    ContinuousBernoulliConditional,
    GaussianConditional,
    StandardNormalPrior,
)
from helpers.models import AmortizedGuide, Elbo, LatentVariableModel
from helpers.networks import (
    ConvolutionalDecoder,
    ConvolutionalEncoder,
    FeedForward,
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
    """A decoder with wrong padding crops its output or leaves a constant border."""
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


# Heights and widths are computed independently, so pairs that contain each height and each width suffice.
SIZES = [(8 + place % 57, 8 + place) for place in range(89)]


@pytest.mark.parametrize("colours", [1, 3])
def test_every_size_from_8x8_to_64x96_goes_in_and_comes_out(colours):
    assert {height for height, _ in SIZES} == set(range(8, 65))
    assert {width for _, width in SIZES} == set(range(8, 97))
    for height, width in [*SIZES, (64, 8), (8, 96), (64, 96), (28, 28)]:
        image = (colours, height, width)
        encode = GaussianConditional(image, (2, 2), ConvolutionalEncoder((2, 3, 2)))
        decode = ContinuousBernoulliConditional((2, 2), image, ConvolutionalDecoder((2, 3, 2), nn.Softplus))
        x = torch.rand(2, *image)
        p = decode(encode(x).rsample())
        decode.check_outcome(p.mean)
        score = p.log_prob(x)
        assert score.shape == (2,)
        score.sum().backward()
        assert all(parameter.grad.abs().max() > 0 for parameter in decode.parameters())


@pytest.mark.parametrize("image", [(1, 8, 8), (3, 9, 13), (1, 28, 28), (3, 64, 96)])
def test_parameters_and_multiply_adds_at_any_size(image):
    """Counted by hand, for the default channels 32 and 64: maps of h × w, then h' × w', each half of the previous size, rounded up."""
    colours, height, width = image
    first, second = (-(-height // 2) * -(-width // 2), -(-height // 4) * -(-width // 4))
    code, parameters = 10, 20
    encoder = ConvolutionalEncoder().build(image, (2, code))
    assert count_parameters(encoder) == (9 * colours + 1) * 32 + (9 * 32 + 1) * 64 + (64 * second + 1) * parameters
    assert (
        count_multiply_adds(encoder, image)
        == 9 * colours * 32 * first + 9 * 32 * 64 * second + 64 * second * parameters
    )
    decoder = ConvolutionalDecoder().build((code,), image)
    assert count_parameters(decoder) == (code + 1) * 64 * second + (9 * 64 * 32 + 32) + (9 * 32 * colours + colours)
    assert count_multiply_adds(decoder, (code,)) == code * 64 * second + 9 * 64 * 32 * second + 9 * 32 * colours * first


@pytest.mark.parametrize("image", [(1, 1, 1), (3, 7, 5), (1, 8, 12)])
@pytest.mark.parametrize("code", [(), (3,), (4, 2)])
def test_codes_of_any_shape_with_dropout_on_images_of_any_shape(image, code):
    encoder, decoder = ConvolutionalEncoder((3,), dropout=0.2), ConvolutionalDecoder((3,), dropout=0.2)
    plain = FeedForward((6,), dropout=0.2)
    for down, up in ((encoder, decoder), (plain, plain), (encoder, plain), (plain, decoder)):
        model = LatentVariableModel(StandardNormalPrior(code), BernoulliConditional(code, image, up))
        bound = Elbo(model, AmortizedGuide(GaussianConditional(image, code, down)), num_samples=2)
        estimate = bound(torch.rand(2, 3, *image))
        assert estimate.value.shape == (2, 3)
        assert torch.isfinite(estimate.value).all()
        x, z = model.sample((4,))
        assert x.shape == (4, *image)
        assert z.shape == (4, *code)
