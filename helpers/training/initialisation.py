"""Where training starts: weights by Glorot and Bengio, biases from the mean image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from helpers.models import AmortizedGuide, LatentVariableModel


@torch.no_grad()
def initialise(model: LatentVariableModel, guide: AmortizedGuide, images: Tensor) -> None:
    """Initialise feed-forward networks of a Bernoulli likelihood and of q(z | x), in place.

    Weights: Glorot's uniform. The encoder's first bias is such that it sees images less their mean; the decoder's last bias is the
    logit of the mean, so that an untrained model already knows how often each pixel is on. Other biases are zero.

    images: [images, *outcome] in [0, 1], the training images.
    Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".
    """
    initialise_layers(model.likelihood, [guide], images)


@torch.no_grad()
def initialise_layers(
    decoder: nn.Module, encoders: Sequence[nn.Module], images: Tensor, others: Sequence[nn.Module] = ()
) -> None:
    """The same for networks that are given: `decoder` ends in the images' logits, each of `encoders` begins with the images.

    others: networks that see no image.

    images: [images, *outcome] in [0, 1].
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
