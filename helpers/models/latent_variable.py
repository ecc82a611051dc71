"""p(x, z) = p(z) p(x | z), and an amortized guide q(z | x)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.distributions import Conditional, Finite, Prior, support
from helpers.distributions.network_conditional import check_conditional
from helpers.estimators.parts.doors import check_instance
from helpers.networks import Shape, as_shape, as_size


class LatentVariableModel(nn.Module):
    """A prior p(z) and a likelihood p(x | z). All log-probabilities are in nats.

    Args:
        prior: Batch shape → p(z), a distribution with that batch_shape.
        likelihood: z [*batch, *latent] → p(x | z), a distribution with batch_shape [*batch].

    Raises:
        ValueError: If an argument is of the wrong kind, or prior and likelihood disagree on the shape of z.
    """

    def __init__(self, prior: Prior, likelihood: Conditional) -> None:
        super().__init__()
        if isinstance(prior, Conditional) and isinstance(likelihood, Prior):
            raise ValueError(
                f"LatentVariableModel was given a {type(prior).__name__} as its prior and a {type(likelihood).__name__} as its likelihood: "
                "they are swapped; the prior comes first."
            )
        if isinstance(prior, Distribution):
            raise ValueError(
                f"LatentVariableModel was given a distribution, {type(prior).__name__}, as its prior; expected a module such as "
                "StandardNormalPrior(2), which makes a distribution of any batch shape."
            )
        if isinstance(prior, type) or not hasattr(prior, "event_shape"):
            check_instance(prior, Prior, "LatentVariableModel", "a prior p(z) such as StandardNormalPrior(2)")
        check_conditional(likelihood, "LatentVariableModel", "likelihood p(x | z)")
        if tuple(prior.event_shape) != tuple(likelihood.input_shape):
            raise ValueError(
                f"The prior makes z of shape {tuple(prior.event_shape)}, and the likelihood reads z of shape "
                f"{tuple(likelihood.input_shape)}: they must be the same."
            )
        self.prior = prior
        self.likelihood = likelihood

    def forward(self, z: Tensor) -> Distribution:
        """The likelihood p(x | z).

        Args:
            z: Latent values [*batch, *latent].

        Returns:
            A distribution over x with batch_shape [*batch].
        """
        return self.likelihood(z)

    @torch.no_grad()
    def sample(self, shape: int | Shape = ()) -> tuple[Tensor, Tensor]:
        """Draw from the joint: x, z ~ p(x, z).

        Args:
            shape: Batch shape of the draws; an int is a shape of one dimension, () draws one pair.

        Returns:
            x [*shape, *outcome] and z [*shape, *latent].
        """
        z = self.prior(as_shape(shape)).sample()
        return self.likelihood(z).sample(), z

    @torch.no_grad()
    def sample_given(self, z: Tensor, num_samples: int = 1) -> Tensor:
        """Draw several x for each z: x ~ p(x | z).

        Args:
            z: Latent values [*batch, *latent].
            num_samples: Draws of x for each z.

        Returns:
            x [samples, *batch, *outcome].
        """
        return self.likelihood(z).sample((as_size(num_samples, "num_samples"),))

    @torch.no_grad()
    def resample(self, guide: nn.Module, x: Tensor, num_samples: int = 1) -> tuple[Tensor, Tensor]:
        """Conditional samples: z ~ q(z | x), then x' ~ p(x' | z).

        Args:
            guide: x → q(z | x).
            x: Observations [*batch, *outcome].
            num_samples: Draws of (x', z) for each x.

        Returns:
            x' [samples, *batch, *outcome] and z [samples, *batch, *latent].
        """
        z = guide(x).sample((as_size(num_samples, "num_samples"),))
        return self.likelihood(z).sample(), z

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x, z) = log p(z) + log p(x | z), in nats.

        Args:
            x: Observations [*batch, *outcome].
            z: Latent values [..., *batch, *latent]; leading dimensions hold several z for each x.

        Returns:
            [..., *batch].
        """
        batch_shape = z.shape[: z.dim() - len(self.prior.event_shape)]
        return self.prior(batch_shape).log_prob(z) + self.likelihood(z).log_prob(x)

    def log_marginal(self, x: Tensor) -> Tensor:
        """log p(x) = log sum_z p(x, z), exact, by enumeration; in nats.

        Args:
            x: Observations [*batch, *outcome].

        Returns:
            [*batch].

        Raises:
            ValueError: If the prior's support cannot be enumerated.
        """
        return self._log_joint_over_support(x)[0].logsumexp(0)

    def posterior(self, x: Tensor) -> Finite:
        """p(z | x), exact, by enumeration.

        Args:
            x: Observations [*batch, *outcome].

        Returns:
            A distribution over the prior's support, with batch_shape [*batch].

        Raises:
            ValueError: If the prior's support cannot be enumerated.
        """
        log_joint, values = self._log_joint_over_support(x)
        return Finite(values, log_joint.movedim(0, -1))

    def naive_lower_bound(self, x: Tensor, num_samples: int) -> Tensor:
        """log 1/S sum_s p(x | z_s), z_s ~ p(z): in expectation a lower bound of log p(x), and a loose one.

        Args:
            x: Observations [*batch, *outcome].
            num_samples: S, draws of z for each x.

        Returns:
            The estimate in nats [*batch].
        """
        batch_shape = x.shape[: x.dim() - len(self.likelihood.event_shape)]
        num_samples = as_size(num_samples, "num_samples")
        z = self.prior(batch_shape).sample((num_samples,))  # [samples, *batch, *latent]
        return self.likelihood(z).log_prob(x).logsumexp(0) - math.log(num_samples)

    def _log_joint_over_support(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self.likelihood.check_outcome(x)
        try:
            values = support(self.prior())  # [support, *latent]
        except ValueError as error:
            raise ValueError(
                f"log p(x) and p(z | x) are exact only by summing over every z, which is impossible here. {error} "
                "For a bound see `Elbo`, `naive_lower_bound` and `helpers.evaluation.evaluate_bound`."
            ) from error
        batch_dims = x.dim() - len(self.likelihood.event_shape)
        z = values.reshape(-1, *[1] * batch_dims, *self.prior.event_shape)  # [support, 1..., *latent]
        # The likelihood is evaluated once per z, not once per z and x.
        return self.prior(z.shape[: 1 + batch_dims]).log_prob(z) + self.likelihood(z).log_prob(x), values


class AmortizedGuide(nn.Module):
    """q(z | x), whose parameters a network computes from x: one call for any number of observations.

    Called with x [*batch, *outcome], returns q(z | x) with batch_shape [*batch].

    Args:
        conditional: x [*batch, *outcome] → q(z | x), a distribution with batch_shape [*batch].

    Raises:
        ValueError: If `conditional` is not one.
    """

    def __init__(self, conditional: Conditional) -> None:
        super().__init__()
        check_conditional(conditional, type(self).__name__, "conditional q(z | x)")
        self.conditional = conditional

    @property
    def event_shape(self) -> Shape:
        """Shape of one z."""
        return self.conditional.event_shape

    def forward(self, x: Tensor) -> Distribution:
        return self.conditional(x)
