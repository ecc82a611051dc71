"""The linear-Gaussian state-space model: a deep Markov model whose log p(x) and posterior have a closed form."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, MultivariateNormal

from helpers.distributions import GaussianConditional, innermost
from helpers.distributions.conditionals import MIN_SCALE
from helpers.models.sequences.deep_markov import DeepMarkovModel
from helpers.models.sequences.guide import SequenceGuide, steps_of
from helpers.networks import PackedSteps


class LinearGaussianStateSpace(DeepMarkovModel):
    """z_t ~ N(A z_{t-1} + a, diag(q²)), x_t ~ N(C z_t + c, diag(r²)), z_0 given: a `DeepMarkovModel` whose networks are affine.

    All arguments become parameters.

    Args:
        transition_weight: A [latent, latent].
        transition_scale: q, standard deviations [latent].
        emission_weight: C [outcome, latent].
        emission_scale: r, standard deviations [outcome].
        transition_bias: a [latent]; None: zeros.
        emission_bias: c [outcome]; None: zeros.
        initial: z_0 [latent]; None: zeros.

    Raises:
        ValueError: If a scale is not above the smallest that a `GaussianConditional` has.
    """

    def __init__(
        self,
        transition_weight: Tensor,
        transition_scale: Tensor,
        emission_weight: Tensor,
        emission_scale: Tensor,
        transition_bias: Tensor | None = None,
        emission_bias: Tensor | None = None,
        initial: Tensor | None = None,
    ) -> None:
        (outcome, latent) = emission_weight.shape
        transition = _Affine(transition_weight, transition_scale, transition_bias)
        emission = _Affine(emission_weight, emission_scale, emission_bias)
        super().__init__(
            GaussianConditional((latent,), (latent,), transition), GaussianConditional((latent,), (outcome,), emission)
        )
        self._affine_maps = transition, emission  # in a tuple, so that they are not registered a second time
        self.initial = nn.Parameter(emission_weight.new_zeros(latent) if initial is None else initial.clone())

    def transition_coefficients(self) -> tuple[Tensor, Tensor, Tensor]:
        """A [latent, latent], a [latent] and the covariance diag(q²) [latent, latent]."""
        return self._affine_maps[0].coefficients()

    def emission_coefficients(self) -> tuple[Tensor, Tensor, Tensor]:
        """C [outcome, latent], c [outcome] and the covariance diag(r²) [outcome, outcome]."""
        return self._affine_maps[1].coefficients()

    @torch.no_grad()
    def log_marginal(self, x: Tensor, lengths: Tensor) -> Tensor:
        """log p(x), exact, by the Kalman filter.

        Args:
            x: Sequences [sequences, num_steps, outcome].
            lengths: Time steps of each, int64 [sequences].

        Returns:
            log p(x) in nats [sequences].
        """
        steps = steps_of(x, lengths, self.emission.event_shape)
        a, b, q = self.transition_coefficients()
        c, d, r = self.emission_coefficients()
        mean = self.initial.expand(steps.num_sequences, -1)
        covariance = torch.zeros_like(a)
        log_probs = []
        for x_t in steps.pack(x).split(steps.sizes):
            mean = mean[: len(x_t)] @ a.T + b
            covariance = a @ covariance @ a.T + q
            predicted, spread = mean @ c.T + d, c @ covariance @ c.T + r
            log_probs.append(MultivariateNormal(predicted, spread, validate_args=False).log_prob(x_t))
            gain = torch.linalg.solve(spread, c @ covariance).mT
            mean = mean + (x_t - predicted) @ gain.T
            covariance = covariance - gain @ c @ covariance
        return steps.sum_over_time(torch.cat(log_probs))

    @torch.no_grad()
    def posterior_marginals(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """p(z_t | x_1..t) by the Kalman filter, and p(z_t | x_1..T) by the smoother of Rauch, Tung and Striebel.

        Args:
            x: Sequences [sequences, steps, outcome], all of the same length.

        Returns:
            Means [sequences, steps, latent] and covariances [steps, latent, latent] of the filter, then those of the smoother in the
            same shapes.
        """
        a, b, q = self.transition_coefficients()
        c, d, r = self.emission_coefficients()
        mean, covariance = self.initial.expand(len(x), -1), torch.zeros_like(a)
        filtered, predicted = [], []
        for t in range(x.shape[1]):
            mean, covariance = mean @ a.T + b, a @ covariance @ a.T + q
            predicted.append((mean, covariance))  # p(z_t | x_1..t-1)
            gain = torch.linalg.solve(c @ covariance @ c.T + r, c @ covariance).mT
            mean = mean + (x[:, t] - mean @ c.T - d) @ gain.T
            covariance = covariance - gain @ c @ covariance
            filtered.append((mean, covariance))
        smoothed = [filtered[-1]]
        for (mean, covariance), (mean_ahead, covariance_ahead) in zip(filtered[-2::-1], predicted[:0:-1], strict=True):
            later_mean, later_covariance = smoothed[-1]
            back = torch.linalg.solve(covariance_ahead, a @ covariance).mT
            smoothed.append(
                (
                    mean + (later_mean - mean_ahead) @ back.T,
                    covariance + back @ (later_covariance - covariance_ahead) @ back.T,
                )
            )
        return *_stacked(filtered), *_stacked(smoothed[::-1])


class SmootherGuide(SequenceGuide):
    """The exact posterior of a `LinearGaussianStateSpace`: q(z_t | z_{t-1}, x) = p(z_t | z_{t-1}, x_t..T), a Gaussian of full covariance.

    The future enters by p(x_t..T | z_t), proportional to exp(-z' L z / 2 + e' z): L and e come from a recursion that runs backwards in
    time (the information filter), as does the recurrent network of the guide "future".

    Args:
        model: The model, whose parameters the guide shares; it has no others.
        spread: Standard deviations relative to those of the posterior. With 1 every bound is tight, with any other value it is not.

    Raises:
        ValueError: If spread is not positive.
    """

    def __init__(self, model: LinearGaussianStateSpace, spread: float = 1.0) -> None:
        if spread <= 0:
            raise ValueError(
                f"spread={spread} was given; standard deviations are multiplied by it, and more than 0 was expected."
            )
        super().__init__(model.emission.event_shape, model.latent)
        self.initial = model.initial
        self.model = model
        self.spread = spread

    def features(self, x: Tensor, steps: PackedSteps) -> Tensor:
        """e, then the covariance of p(z_t | z_{t-1}, x_t..T), flattened.

        Args:
            x: Packed sequences [rows, outcome].
            steps: Index maps between padded and packed.

        Returns:
            [rows, latent + latent²].
        """
        a, b, q = self.model.transition_coefficients()
        c, d, r = self.model.emission_coefficients()
        identity = torch.eye(self.latent, dtype=x.dtype, device=x.device)
        emission_precision = torch.linalg.solve(r, c)  # R^-1 C
        information = torch.zeros_like(a)  # L and e of the steps after this one
        vector = x.new_zeros(steps.num_sequences, self.latent)
        rows = []
        for x_t in x.index_select(0, steps.mirrored).split(steps.sizes):  # each sequence's last step first
            information = information + c.T @ emission_precision
            vector = vector[: len(x_t)] + (x_t - d) @ emission_precision
            covariance = torch.linalg.solve(identity + q @ information, q)  # (Q^-1 + L)^-1
            rows.append(torch.cat([vector, covariance.flatten().expand(len(x_t), -1)], -1))
            shrinkage = torch.linalg.solve(identity + information @ q, identity)  # z_t integrated out: (I + L Q)^-1
            vector = (vector - b @ information.T) @ shrinkage.T @ a
            information = a.T @ shrinkage @ information @ a
        return torch.cat(rows).index_select(0, steps.mirrored)

    def step(self, features: Tensor, z: Tensor) -> Distribution:
        vector, covariance = features.tensor_split((self.latent,), -1)
        covariance = covariance.unflatten(-1, (self.latent, self.latent))[:, None]  # [rows, 1, latent, latent]
        prior = innermost(self.model.transition(z))
        weighted = prior.mean / prior.variance + vector[:, None]
        loc = (covariance @ weighted[..., None]).squeeze(-1)
        tril = self.spread * torch.linalg.cholesky(covariance)
        return MultivariateNormal(loc, scale_tril=tril.expand(*loc.shape, -1), validate_args=False)


def _stacked(marginals: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Means [sequences, steps, latent] and covariances [steps, latent, latent] from one pair for each step."""
    means, covariances = zip(*marginals, strict=True)
    return torch.stack(means, 1), torch.stack(covariances)


class _Affine(nn.Module):
    """z → (W z + b, raw scale) [*batch, 2, out]: the network of a Gaussian whose scale does not depend on its input."""

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        if not bool((scale > MIN_SCALE).all()):
            raise ValueError(
                f"Scales are standard deviations, above {MIN_SCALE:g}, and the smallest given is {scale.min().item():g}."
            )
        self.weight = nn.Parameter(weight.clone())
        self.bias = nn.Parameter(weight.new_zeros(len(weight)) if bias is None else bias.clone())
        self.raw_scale = nn.Parameter((scale - MIN_SCALE).expm1().log())  # softplus gives scale - MIN_SCALE back

    def forward(self, z: Tensor) -> Tensor:
        loc = z @ self.weight.T + self.bias
        return torch.stack([loc, self.raw_scale.expand_as(loc)], -2)

    def coefficients(self) -> tuple[Tensor, Tensor, Tensor]:
        """Weight [out, in], bias [out], covariance [out, out]."""
        scale = nn.functional.softplus(self.raw_scale) + MIN_SCALE
        return self.weight, self.bias, torch.diag(scale.square())
