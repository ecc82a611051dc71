"""The semi-supervised VAE: p(y) p(z) p(x | y, z), and its guide q(y | x) q(z | x, y)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.distributions import (
    CategoricalConditional,
    CategoricalPrior,
    Conditional,
    GaussianConditional,
    NetworkConditional,
    Prior,
    StandardNormalPrior,
    StyleConditional,
    side_by_side,
)
from helpers.networks import FeedForward, NetworkRecipe

Shape = tuple[int, ...]


class SemiSupervisedVAE(nn.Module):
    """p(x, y, z) = p(y) p(z) p(x | y, z): a class y, one-hot, and a style z that says what the class leaves open.

    label_prior: p(y), one-hot.
    style_prior: p(z).
    likelihood: reads [y, z] side by side, a vector of `num_classes` plus the size of z, and returns p(x | y, z).

    With a network that mixes y and z this is M2 of Kingma et al. 2014, "Semi-supervised learning with deep generative models".
    """

    def __init__(self, label_prior: CategoricalPrior, style_prior: Prior, likelihood: Conditional) -> None:
        super().__init__()
        if len(label_prior.event_shape) != 1:
            raise ValueError(
                f"One label is a one-hot vector, and the label prior makes outcomes of shape {label_prior.event_shape}."
            )
        reads = label_prior.event_shape[0] + math.prod(style_prior.event_shape)
        if tuple(likelihood.input_shape) != (reads,):
            raise ValueError(
                f"The likelihood reads y and z side by side, here a vector of {label_prior.event_shape[0]} + "
                f"{math.prod(style_prior.event_shape)} = {reads} numbers, and was built for inputs of shape {likelihood.input_shape}."
            )
        self.label_prior = label_prior
        self.style_prior = style_prior
        self.likelihood = likelihood

    @property
    def num_classes(self) -> int:
        return self.label_prior.event_shape[0]

    def forward(self, y: Tensor, z: Tensor) -> Distribution:
        """p(x | y, z). y: [*batch, classes] one-hot, z: [..., *batch, *latent] → batch_shape [..., *batch]."""
        return self.likelihood(side_by_side(y, z, len(self.style_prior.event_shape)))

    def log_joint(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """log p(x, y, z), nats. x: [*batch, *outcome], y: [*batch, classes], z: [..., *batch, *latent] → [..., *batch]."""
        log_likelihood = self(y, z).log_prob(x)
        return (
            log_likelihood
            + self.style_prior(log_likelihood.shape).log_prob(z)
            + self.label_prior(y.shape[:-1]).log_prob(y)
        )

    @torch.no_grad()
    def sample(self, shape: int | Shape = ()) -> tuple[Tensor, Tensor, Tensor]:
        """x, y, z ~ p(x, y, z). shape: batch shape → x [*shape, *outcome], y [*shape, classes], z [*shape, *latent]."""
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        y, z = self.label_prior(shape).sample(), self.style_prior(shape).sample()
        return self(y, z).sample(), y, z

    @torch.no_grad()
    def every_class(self, z: Tensor) -> Tensor:
        """E[x | y, z] for every class: one style, all classes. z: [*batch, *latent] → [classes, *batch, *outcome]."""
        batch = z.shape[: z.dim() - len(self.style_prior.event_shape)]
        y = torch.eye(self.num_classes, dtype=z.dtype, device=z.device)
        y = y.reshape(self.num_classes, *[1] * len(batch), self.num_classes).expand(-1, *batch, -1)
        return self(y, z.expand(self.num_classes, *z.shape)).mean


class SemiSupervisedGuide(nn.Module):
    """q(y, z | x) = q(y | x) q(z | x, y): guess the class, then the style.

    classifier: x → q(y | x), one-hot.
    style: x, y → q(z | x, y).
    """

    def __init__(self, classifier: CategoricalConditional, style: StyleConditional) -> None:
        super().__init__()
        if tuple(classifier.event_shape) != (style.num_classes,):
            raise ValueError(
                f"The classifier makes labels of shape {tuple(classifier.event_shape)}, and the style reads one-hot labels of "
                f"{style.num_classes} classes: they must be the same."
            )
        if tuple(classifier.input_shape) != style.image_shape:
            raise ValueError(
                f"The classifier reads images of shape {tuple(classifier.input_shape)}, and the style {style.image_shape}: they must be "
                "the same."
            )
        self.classifier = classifier
        self.style = style


def semi_supervised_vae(
    outcome_shape: int | Shape,
    num_classes: int,
    likelihood: type[NetworkConditional],
    latent: int = 50,
    hidden: tuple[int, ...] = (500,),
    network: Callable[[tuple[int, ...]], NetworkRecipe] = FeedForward,
    classifier: NetworkRecipe | None = None,
) -> tuple[SemiSupervisedVAE, SemiSupervisedGuide]:
    """Model and guide with a standard normal style and feed-forward networks, as the Pyro tutorial has them.

    outcome_shape: shape of one x.  likelihood: class of p(x | y, z), such as `BernoulliConditional`.
    latent: size of z.  hidden: sizes of the hidden layers of classifier, style and decoder alike.
    network: makes a recipe from hidden sizes.  classifier: recipe of q(y | x)'s network, `network(hidden)` by default.
    """
    if not hidden:
        raise ValueError("The style reads image and label through a hidden layer: give `hidden` one size or more.")
    model = SemiSupervisedVAE(
        CategoricalPrior(num_classes),
        StandardNormalPrior(latent),
        likelihood((num_classes + latent,), outcome_shape, network(hidden)),
    )
    above = GaussianConditional((hidden[0],), (latent,), network(hidden[1:]))
    guide = SemiSupervisedGuide(
        CategoricalConditional(outcome_shape, (num_classes,), classifier or network(hidden)),
        StyleConditional(outcome_shape, num_classes, above),
    )
    return model, guide
