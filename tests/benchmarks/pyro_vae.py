"""The VAE of Pyro's tutorial, in today's Pyro: `Trace_ELBO`, `pyro.optim.Adam`, a plate over images.

Networks, likelihood and validation are the tutorial's: `Bernoulli(sigmoid(.))`, an exponential for the scale, and validation on for
inference but off for distributions, since greys are no outcomes of a Bernoulli.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyro
import pyro.distributions as dist
from pyro.infer import SVI, Trace_ELBO
from torch import Tensor, nn
from torch.nn.functional import softplus


class Encoder(nn.Module):
    """q(z | x): mean and standard deviation."""

    def __init__(self, latent: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(784, hidden), nn.Linear(hidden, latent), nn.Linear(hidden, latent)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = softplus(self.fc1(x.reshape(-1, 784)))
        return self.fc21(hidden), self.fc22(hidden).exp()


class PyroVAE:
    """The tutorial's model, guide and training."""

    def __init__(self, latent: int, hidden: int) -> None:
        self.latent = latent
        self.encoder = Encoder(latent, hidden)
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Softplus(), nn.Linear(hidden, 784))
        self.name = type(self).__name__  # parameters are stored globally, by name
        pyro.enable_validation(True)
        dist.enable_validation(False)
        self.svi = SVI(self.model, self.guide, pyro.optim.Adam({"lr": 1e-3}), loss=Trace_ELBO())

    def likelihood(self, z: Tensor) -> dist.Distribution:
        return dist.Bernoulli(self.decoder(z).sigmoid())

    def model(self, x: Tensor) -> None:
        pyro.module(f"{self.name}.decoder", self.decoder)
        with pyro.plate("data", x.shape[0]):
            loc, scale = x.new_zeros(x.shape[0], self.latent), x.new_ones(x.shape[0], self.latent)
            z = pyro.sample("latent", dist.Normal(loc, scale).to_event(1))
            pyro.sample("obs", self.likelihood(z).to_event(1), obs=x.reshape(-1, 784))

    def guide(self, x: Tensor) -> None:
        pyro.module(f"{self.name}.encoder", self.encoder)
        with pyro.plate("data", x.shape[0]):
            pyro.sample("latent", dist.Normal(*self.encoder(x)).to_event(1))

    def train_epoch(self, batches: Iterable[Tensor]) -> float:
        """One pass, as the tutorial's loop: the sum of the losses."""
        return sum(self.svi.step(x) for x in batches)


class PyroVAEOnLogits(PyroVAE):
    """The same without the tutorial's detour from logits to probabilities and back: quicker, and as our likelihood does it."""

    def likelihood(self, z: Tensor) -> dist.Distribution:
        return dist.Bernoulli(logits=self.decoder(z))
