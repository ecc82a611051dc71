"""The semi-supervised VAE of Pyro's tutorial, in today's Pyro: `TraceEnum_ELBO`, parallel enumeration of the label.

Networks, likelihood and activations are the tutorial's: a classifier that ends in a softmax, an exponential for the scale, a decoder that
ends in a sigmoid.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, TraceEnum_ELBO, config_enumerate
from torch import Tensor, nn


class PyroSemiSupervised:
    """The tutorial's model and guide, without labels."""

    def __init__(self, classes: int, latent: int, hidden: int) -> None:
        self.classes, self.latent = classes, latent
        self.parts = nn.ModuleDict(
            {
                "encoder_y": nn.Sequential(
                    nn.Linear(784, hidden), nn.Softplus(), nn.Linear(hidden, classes), nn.Softmax(-1)
                ),
                "encoder_z": nn.Sequential(
                    nn.Linear(784 + classes, hidden), nn.Softplus(), nn.Linear(hidden, 2 * latent)
                ),
                "decoder": self.decoder(nn.Linear(latent + classes, hidden), nn.Softplus(), nn.Linear(hidden, 784)),
            }
        )
        self.name = type(self).__name__  # parameters are stored globally, by name
        pyro.enable_validation(True)
        dist.enable_validation(False)
        guide = config_enumerate(self.guide, "parallel", expand=True)
        self.svi = SVI(self.model, guide, pyro.optim.Adam({"lr": 1e-3}), loss=TraceEnum_ELBO(max_plate_nesting=1))

    def decoder(self, *layers: nn.Module) -> nn.Module:
        return nn.Sequential(*layers, nn.Sigmoid())

    def likelihood(self, output: Tensor) -> dist.Distribution:
        return dist.Bernoulli(output)

    def model(self, x: Tensor) -> None:
        pyro.module(self.name, self.parts)
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), self.latent), 1.0).to_event(1))
            y = pyro.sample("y", dist.OneHotCategorical(x.new_full((len(x), self.classes), 1 / self.classes)))
            output = self.parts["decoder"](_side_by_side(z, y))
            pyro.sample("x", self.likelihood(output).to_event(1), obs=x.reshape(-1, 784))

    def guide(self, x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            flat = x.reshape(-1, 784)
            y = pyro.sample("y", dist.OneHotCategorical(self.parts["encoder_y"](flat)))
            loc, log_scale = self.parts["encoder_z"](_side_by_side(flat, y)).chunk(2, -1)
            pyro.sample("z", dist.Normal(loc, log_scale.exp()).to_event(1))

    def train_epoch(self, batches: Iterable[Tensor]) -> float:
        """One pass: the sum of the losses."""
        return sum(self.svi.step(x) for x in batches)


class PyroSemiSupervisedOnLogits(PyroSemiSupervised):
    """The same without the detour from logits to probabilities and back, as our likelihood does it."""

    def decoder(self, *layers: nn.Module) -> nn.Module:
        return nn.Sequential(*layers)

    def likelihood(self, output: Tensor) -> dist.Distribution:
        return dist.Bernoulli(logits=output)


def _side_by_side(*tensors: Tensor) -> Tensor:
    shape = torch.broadcast_shapes(*(tensor.shape[:-1] for tensor in tensors))
    return torch.cat([tensor.expand(*shape, -1) for tensor in tensors], -1)
