"""Where training starts: weights by Glorot and Bengio, biases from the mean image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from helpers.models import AmortizedPosterior, LatentVariableModel


@torch.no_grad()
def initialise(model: LatentVariableModel, posterior: AmortizedPosterior, images: Tensor) -> None:
    """Initialise feed-forward networks of a Bernoulli likelihood and of q(z | x), in place.

    Weights: Glorot's uniform. The encoder's first bias is such that it sees images less their mean; the decoder's last bias is the
    logit of the mean, so that an untrained model already knows how often each pixel is on. Other biases are zero.

    images: [images, *outcome] in [0, 1], the training images.
    Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".
    """
    mean = images.mean(0).flatten()
    decoder = [layer for layer in model.likelihood.modules() if isinstance(layer, nn.Linear)]
    encoder = [layer for layer in posterior.modules() if isinstance(layer, nn.Linear)]
    for layer in decoder + encoder:
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    encoder[0].bias.copy_(-encoder[0].weight @ mean)
    decoder[-1].bias.copy_(torch.logit(mean.clamp(1e-3, 1 - 1e-3)))  # some pixels are never on
