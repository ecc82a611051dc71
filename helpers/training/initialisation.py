"""Initial weights by Glorot and Bengio, initial biases from the mean image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from helpers.models import AmortizedGuide, LatentVariableModel


@torch.no_grad()
def initialise(model: LatentVariableModel, guide: AmortizedGuide, images: Tensor) -> None:
    """Initialise the feed-forward networks of a Bernoulli likelihood and of q(z | x), in place.

    Weights: Glorot's uniform. First bias of the encoder: b = -W mean, so that it sees images minus their mean. Last bias of the decoder:
    logit(mean), so that the untrained model has the right marginal frequency of each pixel. Other biases: zero.

    Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".

    Args:
        model: Model whose likelihood is a feed-forward network that ends in the images' logits.
        guide: q(z | x), whose first linear layer takes the flattened images.
        images: Training images [images, *outcome] in [0, 1].

    Raises:
        ValueError: If the first layer of the guide, or the last one of the likelihood, is missing or has no bias.
    """
    initialise_layers(model.get_submodule("likelihood"), [guide], images)


@torch.no_grad()
def initialise_layers(
    decoder: nn.Module, encoders: Sequence[nn.Module], images: Tensor, others: Sequence[nn.Module] = ()
) -> None:
    """Initialise given networks as `initialise` does, in place.

    Args:
        decoder: Network whose last linear layer outputs the images' logits.
        encoders: Networks whose first linear layer takes the flattened images.
        images: Training images [images, *outcome] in [0, 1]. Their mean is clamped to [0.001, 0.999] before the logit.
        others: Networks that take no image: Glorot weights and zero biases.

    Raises:
        ValueError: If the first layer of an encoder, or the last one of the decoder, is missing or has no bias; nothing is changed.
    """
    for network, position, name in ((decoder, -1, "decoder"), *((encoder, 0, "encoder") for encoder in encoders)):
        _check_bias(network, position, name)
    mean = images.mean(0).flatten()
    for layer in _linear(decoder, *encoders, *others):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for encoder in encoders:
        first = _linear(encoder)[0]
        first.bias.copy_(-first.weight @ mean)
    _linear(decoder)[-1].bias.copy_(torch.logit(mean.clamp(1e-3, 1 - 1e-3)))  # some pixels are never on


def _check_bias(network: nn.Module, position: int, name: str) -> None:
    """Refuse a network whose first (0) or last (-1) linear layer, which is to hold the mean image, is missing or has no bias."""
    layers, which = _linear(network), "first" if position == 0 else "last"
    if not layers:
        raise ValueError(
            f"Got the {name} {type(network).__name__} without a linear layer; expected one whose {which} linear layer meets the images. "
            "Usually a convolutional network: give its first or last bias by hand."
        )
    if layers[position].bias is None:
        raise ValueError(
            f"Got the {name} {type(network).__name__} whose {which} linear layer has no bias; expected one, which is set from the mean "
            "image. Usually nn.Linear(..., bias=False): leave out the bias=False there."
        )


def _linear(*networks: nn.Module) -> list[nn.Linear]:
    return [layer for network in networks for layer in network.modules() if isinstance(layer, nn.Linear)]
