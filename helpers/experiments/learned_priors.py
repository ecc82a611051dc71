"""Three small VAEs with two latents, each with another prior, with snapshots during training."""

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
    """A model after a number of epochs, measured on the watched images with one draw of z per image. Nats per image.

    rate = mutual_information + marginal_kl. With N watched images, the mutual information is at most log N.

    Args:
        epoch: Epochs of training so far.
        distortion: E[-log p(x | z)].
        rate: E[log q(z | x) - log p(z)].
        mutual_information: E[log q(z | x) - log q(z)], where q(z) is the guide averaged over the watched images.
        marginal_kl: E[log q(z) - log p(z)].
        codes: The draws of z, [watched, 2].
        weights: The prior as a mixture of Gaussians: weights, [components]. N(0, I) is a mixture of one component.
        loc: Means of the components, [components, 2].
        scale: Standard deviations of the components, [components, 2].
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
        """The ELBO, -(distortion + rate)."""
        return -(self.distortion + self.rate)

    def log_prior(self, z: Tensor) -> Tensor:
        """Log density of the prior.

        Args:
            z: Latents, [..., 2].

        Returns:
            log p(z) in nats, [...].
        """
        error = (z[..., None, :] - self.loc) / self.scale  # [..., components, 2]
        log_normal = (-0.5 * error**2 - self.scale.log() - 0.5 * math.log(2 * math.pi)).sum(-1)
        return (self.weights.log() + log_normal).logsumexp(-1)


@dataclass(frozen=True)
class PriorRun:
    """One training with one prior.

    Args:
        name: Name of the prior, one of `PRIORS`.
        snapshots: In order of epochs: the first before training, the last at its end.
        model: p(x, z), trained.
        guide: q(z | x), trained.
    """

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
    """Train a VAE with two latents for each of `PRIORS`, all else equal, with snapshots before, during and after training.

    The global random state stays as it is. The same seed gives the same runs.

    Args:
        images: Greys in [0, 1], [N, C, H, W], with N >= `num_components`. Each batch is binarised anew.
        epochs: Passes over the images, 1 or more.
        num_components: Components of the mixture, and pseudo-inputs of the VampPrior, which start as the first images.
        batch_size: Images per step.
        learning_rate: Learning rate of Adam.
        hidden: Units of the hidden layer of the encoder and of the decoder.
        watched: Number of images, from the first, on which the snapshots are computed. They are binarised once.
        most_snapshots: Most snapshots of a run, 2 or more, spread evenly over the epochs.
        seed: Seed of the parameters, the batches and the draws.

    Returns:
        Name of the prior → run.

    Raises:
        ValueError: If there are no epochs, fewer than 2 snapshots, no components, or fewer images than components.
    """
    if epochs < 1 or most_snapshots < 2:
        raise ValueError(
            f"Training needs 1 epoch and 2 snapshots or more, and {epochs} and {most_snapshots} were given."
        )
    if not 1 <= num_components <= len(images):
        raise ValueError(
            f"num_components={num_components}, and {len(images)} images: expected 1 component or more, and an image for each."
        )
    snapshot_epochs = {round(step * epochs / (most_snapshots - 1)) for step in range(most_snapshots)}
    batches = Batches(images, batch_size=batch_size, transform=binarise_dynamically)
    runs = {}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        x = binarise_dynamically(images[:watched])
        for name in PRIORS:
            torch.manual_seed(seed)
            model, guide = _build(name, images, num_components, hidden)
            snapshots = [_snapshot(0, model, guide, x, seed)]

            def take_snapshot(
                epoch: int,
                history: History,
                model: LatentVariableModel = model,
                guide: AmortizedGuide = guide,
                snapshots: list[Snapshot] = snapshots,
            ) -> None:
                if epoch in snapshot_epochs:
                    snapshots.append(_snapshot(epoch, model, guide, x, seed))

            bound = Elbo(model, guide)
            optimizer = Adam(bound.parameters(), lr=learning_rate, fused=True)
            fit(bound, batches, epochs=epochs, optimizers=optimizer, after_epoch=take_snapshot, progress=False)
            runs[name] = PriorRun(name, tuple(snapshots), model, guide)
    return runs


def _build(name: str, images: Tensor, num_components: int, hidden: int) -> tuple[LatentVariableModel, AmortizedGuide]:
    """Model and guide. The networks are made before the prior, so that they start alike for every prior."""
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
    """Measure with the same draws at every epoch. The random numbers of training do not change."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        q, prior = guide(x), model.prior()
        z = q.sample()  # [watched, 2]
    log_q = q.log_prob(z[:, None])  # of every z under every image: [watched, watched]
    log_aggregate = log_q.logsumexp(1) - math.log(len(x))
    log_guide, log_prior = log_q.diagonal(), prior.log_prob(z)
    weights, loc, scale = (
        part.detach().cpu().clone() for part in _components(prior)
    )  # copies, because training changes the parameters
    return Snapshot(
        epoch,
        -model.likelihood(z).log_prob(x).mean().item(),
        (log_guide - log_prior).mean().item(),
        (log_guide - log_aggregate).mean().item(),
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
