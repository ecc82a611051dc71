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
    """
    mean = images.mean(0).flatten()
    for layer in _linear(decoder, *encoders, *others):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for encoder in encoders:
        first = _linear(encoder)[0]
        first.bias.copy_(-first.weight @ mean)
    _linear(decoder)[-1].bias.copy_(torch.logit(mean.clamp(1e-3, 1 - 1e-3)))  # some pixels are never on


def _linear(*networks: nn.Module) -> list[nn.Linear]:
    return [layer for network in networks for layer in network.modules() if isinstance(layer, nn.Linear)]
