"""Three small VAEs with two latents, each with another prior, watched while they learn: what the explorer `prior_learning` shows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution, MixtureSameFamily
from torch.optim import Adam

from helpers.data import Batches, binarise_dynamically
from helpers.distributions import (
    BernoulliConditional,
    GaussianConditional,
    MixtureOfGaussiansPrior,
    Prior,
    StandardNormalPrior,
    VampPrior,
)
from helpers.models import AmortizedGuide, Elbo, LatentVariableModel
from helpers.networks import FeedForward
from helpers.training import History, fit

PRIORS = ("standard", "mixture", "Vamp")


@dataclass(frozen=True)
class Snapshot:
    """A model after so many epochs, on the images that are watched. Nats per image, from one draw of z an image.

    distortion, rate: their sum, negated, is the bound.
    mutual_information, marginal_kl: the two parts of the rate, E[log q(z | x) - log q(z)] and E[log q(z) - log p(z)], where q(z) is the
        guide averaged over the watched images. N images cannot show more information than log N.
    codes: [watched, 2], the draws.
    weights, loc, scale: the prior as a mixture of Gaussians, [components], [components, 2], [components, 2]; N(0, I) is one of them.
    """

    epoch: int
    distortion: float
    rate: float
    mutual_information: float
    marginal_kl: float
    codes: Tensor
    weights: Tensor
    loc: Tensor
    scale: Tensor

    @property
    def bound(self) -> float:
        return -(self.distortion + self.rate)

    def log_prior(self, z: Tensor) -> Tensor:
        """log p(z). z: [..., 2] → [...]."""
        error = (z[..., None, :] - self.loc) / self.scale  # [..., components, 2]
        log_normal = (-0.5 * error**2 - self.scale.log() - 0.5 * math.log(2 * math.pi)).sum(-1)
        return (self.weights.log() + log_normal).logsumexp(-1)


@dataclass(frozen=True)
class PriorRun:
    """One training. name: of `PRIORS`. snapshots: the first before training, the last at its end. model, guide: trained."""

    name: str
    snapshots: tuple[Snapshot, ...]
    model: LatentVariableModel
    guide: AmortizedGuide


def learn_priors(
    images: Tensor,
    *,
    epochs: int,
    num_components: int = 8,
    batch_size: int = 100,
    learning_rate: float = 0.01,
    hidden: int = 100,
    watched: int = 1000,
    most_snapshots: int = 13,
    seed: int = 0,
) -> dict[str, PriorRun]:
    """Train a VAE with two latents for each of `PRIORS`, all else equal, and keep snapshots: before training, on the way, and at the end.

    images: [N, C, H, W] greys in [0, 1], `num_components` or more; each batch is binarised afresh.
    num_components: of the mixture, and pseudo-inputs of the VampPrior, which start as the first images.
    batch_size, learning_rate: of Adam. hidden: units of the one hidden layer of encoder and of decoder.
    watched: how many of the images, from the first, the snapshots are computed on, binarised once.
    most_snapshots: of each run; with more epochs they are spread evenly.

    Returns the runs by the name of the prior. The global random state is left as it was; the same seed gives the same runs.
    Raises ValueError for no epochs, and where there are fewer images than components.
    """
    if epochs < 1 or most_snapshots < 2:
        raise ValueError(
            f"Learning needs 1 epoch and 2 snapshots or more, and {epochs} and {most_snapshots} were given."
        )
    if not 1 <= num_components <= len(images):
        raise ValueError(
            f"num_components={num_components}, and {len(images)} images: expected 1 component, and an image for each."
        )
    kept = {round(step * epochs / (most_snapshots - 1)) for step in range(most_snapshots)}
    batches = Batches(images, batch_size=batch_size, transform=binarise_dynamically)
    runs = {}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        x = binarise_dynamically(images[:watched])
        for name in PRIORS:
            torch.manual_seed(seed)
            model, guide = _built(name, images, num_components, hidden)
            snapshots = [_snapshot(0, model, guide, x, seed)]

            def look(epoch: int, history: History, model=model, guide=guide, snapshots=snapshots) -> None:
                if epoch in kept:
                    snapshots.append(_snapshot(epoch, model, guide, x, seed))

            bound = Elbo(model, guide)
            optimizer = Adam(bound.parameters(), lr=learning_rate, fused=True)
            fit(bound, batches, epochs=epochs, optimizers=optimizer, after_epoch=look, progress=False)
            runs[name] = PriorRun(name, tuple(snapshots), model, guide)
    return runs


def _built(name: str, images: Tensor, num_components: int, hidden: int) -> tuple[LatentVariableModel, AmortizedGuide]:
    """Networks first, so that they start alike whatever the prior."""
    shape = tuple(images.shape[1:])
    guide = AmortizedGuide(GaussianConditional(shape, 2, FeedForward((hidden,))))
    likelihood = BernoulliConditional(2, shape, FeedForward((hidden,)))
    prior: Prior
    if name == "standard":
        prior = StandardNormalPrior(2)
    elif name == "mixture":
        prior = MixtureOfGaussiansPrior(2, num_components)
    else:
        prior = VampPrior(guide.conditional, images[:num_components].cpu())
    return LatentVariableModel(prior, likelihood).to(images.device), guide.to(images.device)


@torch.no_grad()
def _snapshot(epoch: int, model: LatentVariableModel, guide: AmortizedGuide, x: Tensor, seed: int) -> Snapshot:
    """The same draws at every epoch; training's random numbers are as if nobody had looked."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        q, prior = guide(x), model.prior()
        z = q.sample()  # [watched, 2]
    log_q = q.log_prob(z[:, None])  # of every z under every image: [watched, watched]
    log_aggregate = log_q.logsumexp(1) - math.log(len(x))
    log_own, log_prior = log_q.diagonal(), prior.log_prob(z)
    weights, loc, scale = (
        part.detach().cpu().clone() for part in _components(prior)
    )  # not the parameters, which go on learning
    return Snapshot(
        epoch,
        -model.likelihood(z).log_prob(x).mean().item(),
        (log_own - log_prior).mean().item(),
        (log_own - log_aggregate).mean().item(),
        (log_aggregate - log_prior).mean().item(),
        z.cpu(),
        weights,
        loc,
        scale,
    )


def _components(prior: Distribution) -> tuple[Tensor, Tensor, Tensor]:
    """Weights [components], means and standard deviations [components, 2]."""
    if isinstance(prior, MixtureSameFamily):
        components = prior.component_distribution
        return prior.mixture_distribution.probs, components.mean, components.stddev
    return torch.ones(1), prior.mean[None], prior.stddev[None]
