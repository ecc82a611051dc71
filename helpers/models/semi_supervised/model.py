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
    Prior,
    StandardNormalPrior,
    StyleConditional,
    side_by_side,
)
from helpers.distributions.network_conditional import check_conditional
from helpers.estimators.parts.doors import check_instance
from helpers.networks import FeedForward, NetworkRecipe, Shape, as_shape, as_size


class SemiSupervisedVAE(nn.Module):
    """p(x, y, z) = p(y) p(z) p(x | y, z): a class y, one-hot, and a style z for what the class does not determine.

    With a network that mixes y and z this is M2 of Kingma et al. 2014, "Semi-supervised learning with deep generative models".

    Args:
        label_prior: p(y) over one-hot vectors [classes].
        style_prior: p(z).
        likelihood: [y, z] concatenated to a vector [*batch, classes + size of z] → p(x | y, z).

    Raises:
        ValueError: If an argument is of the wrong kind, if labels are not vectors, or if the likelihood's input is not of size
            classes + size of z.
    """

    def __init__(self, label_prior: CategoricalPrior, style_prior: Prior, likelihood: Conditional) -> None:
        super().__init__()
        name = type(self).__name__
        check_instance(label_prior, CategoricalPrior, name, "a CategoricalPrior p(y)")
        check_instance(style_prior, Prior, name, "a prior p(z) such as StandardNormalPrior(50)")
        check_conditional(likelihood, name, "likelihood p(x | y, z)")
        if len(label_prior.event_shape) != 1:
            raise ValueError(
                f"One label is a one-hot vector, and the label prior makes outcomes of shape {label_prior.event_shape}."
            )
        input_size = label_prior.event_shape[0] + math.prod(style_prior.event_shape)
        if tuple(likelihood.input_shape) != (input_size,):
            raise ValueError(
                f"The likelihood reads y and z side by side, here a vector of size {label_prior.event_shape[0]} + "
                f"{math.prod(style_prior.event_shape)} = {input_size}, and was built for inputs of shape {likelihood.input_shape}."
            )
        self.label_prior = label_prior
        self.style_prior = style_prior
        self.likelihood = likelihood

    @property
    def num_classes(self) -> int:
        """Number of classes, the size of y."""
        return self.label_prior.event_shape[0]

    def forward(self, y: Tensor, z: Tensor) -> Distribution:
        """The likelihood p(x | y, z).

        Args:
            y: One-hot labels [*batch, classes].
            z: Styles [..., *batch, *latent].

        Returns:
            A distribution over x with batch_shape [..., *batch].
        """
        return self.likelihood(side_by_side(y, z, len(self.style_prior.event_shape)))

    def log_joint(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """log p(x, y, z), in nats.

        Args:
            x: Images [*batch, *outcome].
            y: One-hot labels [*batch, classes].
            z: Styles [..., *batch, *latent].

        Returns:
            [..., *batch].
        """
        log_likelihood = self(y, z).log_prob(x)
        return (
            log_likelihood
            + self.style_prior(log_likelihood.shape).log_prob(z)
            + self.label_prior(y.shape[:-1]).log_prob(y)
        )

    @torch.no_grad()
    def sample(self, shape: int | Shape = ()) -> tuple[Tensor, Tensor, Tensor]:
        """Draw from the joint: x, y, z ~ p(x, y, z).

        Args:
            shape: Batch shape of the draws; an int is a shape of one dimension, () draws one.

        Returns:
            x [*shape, *outcome], y [*shape, classes] one-hot, and z [*shape, *latent].
        """
        shape = as_shape(shape)
        y, z = self.label_prior(shape).sample(), self.style_prior(shape).sample()
        return self(y, z).sample(), y, z

    @torch.no_grad()
    def every_class(self, z: Tensor) -> Tensor:
        """E[x | y, z] for every class y, with the same style.

        Args:
            z: Styles [*batch, *latent].

        Returns:
            Means of x [classes, *batch, *outcome].
        """
        batch = z.shape[: z.dim() - len(self.style_prior.event_shape)]
        y = torch.eye(self.num_classes, dtype=z.dtype, device=z.device)
        y = y.reshape(self.num_classes, *[1] * len(batch), self.num_classes).expand(-1, *batch, -1)
        return self(y, z.expand(self.num_classes, *z.shape)).mean


class SemiSupervisedGuide(nn.Module):
    """q(y, z | x) = q(y | x) q(z | x, y): the class first, then the style given the class.

    Args:
        classifier: x [*batch, *image] → q(y | x) over one-hot vectors [classes].
        style: x [*batch, *image], y [..., *batch, classes] → q(z | x, y).

    Raises:
        ValueError: If an argument is of the wrong kind, or classifier and style disagree on the number of classes or on the shape of x.
    """

    def __init__(self, classifier: CategoricalConditional, style: StyleConditional) -> None:
        super().__init__()
        name = type(self).__name__
        # by their shapes, so that other modules with these may stand in for both
        if not hasattr(classifier, "event_shape"):
            check_instance(
                classifier, CategoricalConditional, name, "a CategoricalConditional q(y | x) as its classifier"
            )
        if not hasattr(style, "image_shape"):
            check_instance(style, StyleConditional, name, "a StyleConditional q(z | x, y) as its style")
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
    likelihood: Callable[[Shape, int | Shape, NetworkRecipe], Conditional],
    latent: int = 50,
    hidden: tuple[int, ...] = (500,),
    network: Callable[[tuple[int, ...]], NetworkRecipe] = FeedForward,
    classifier: NetworkRecipe | None = None,
) -> tuple[SemiSupervisedVAE, SemiSupervisedGuide]:
    """Model and guide with a standard normal style and feed-forward networks, as in the Pyro tutorial.

    Args:
        outcome_shape: Shape of one x.
        num_classes: Number of classes.
        likelihood: Class of p(x | y, z), such as `BernoulliConditional`: input shape, outcome shape, network → conditional.
        latent: Size of z.
        hidden: Sizes of the hidden layers of classifier, style and decoder; one or more.
        network: Hidden sizes → recipe of a network with these sizes.
        classifier: Recipe of q(y | x)'s network; None: `network(hidden)`.

    Returns:
        The model p(x, y, z) and the guide q(y, z | x).

    Raises:
        ValueError: If `hidden` is empty.
    """
    num_classes, latent = as_size(num_classes, "num_classes"), as_size(latent, "latent")
    hidden = as_shape(hidden)
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
