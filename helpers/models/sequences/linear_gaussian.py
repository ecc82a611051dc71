"""The linear-Gaussian state-space model: the one deep Markov model of continuous z whose likelihood and posterior are known."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, MultivariateNormal

from helpers.distributions import GaussianConditional
from helpers.distributions.conditionals import MIN_SCALE
from helpers.models.sequences.deep_markov import DeepMarkovModel
from helpers.models.sequences.guide import SequenceGuide, steps_of
from helpers.networks.packed_steps import PackedSteps


class LinearGaussianStateSpace(DeepMarkovModel):
    """z_t ~ N(A z_{t-1} + a, diag(q²)), x_t ~ N(C z_t + c, diag(r²)), z_0 given: a `DeepMarkovModel` whose networks are affine.

    transition_weight A: [latent, latent], transition_scale q: [latent], emission_weight C: [outcome, latent], emission_scale r: [outcome].
    transition_bias a, emission_bias c, initial z_0: zero by default. All are parameters; q and r are standard deviations.
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
        super().__init__(
            GaussianConditional((latent,), (latent,), _Affine(transition_weight, transition_scale, transition_bias)),
            GaussianConditional((latent,), (outcome,), _Affine(emission_weight, emission_scale, emission_bias)),
        )
        self.initial = nn.Parameter(emission_weight.new_zeros(latent) if initial is None else initial.clone())

    @torch.no_grad()
    def log_marginal(self, x: Tensor, lengths: Tensor) -> Tensor:
        """log p(x), exact, by the Kalman filter, nats: [sequences]. x: [sequences, steps, outcome], lengths: int64 [sequences]."""
        steps = steps_of(x, lengths, self.emission.event_shape)
        a, b, q = self.transition.network.values()
        c, d, r = self.emission.network.values()
        mean = self.initial.expand(steps.num_sequences, -1)
        covariance = torch.zeros_like(a)
        scores = []
        for now in steps.pack(x).split(steps.sizes):
            mean = mean[: len(now)] @ a.T + b
            covariance = a @ covariance @ a.T + q
            predicted, spread = mean @ c.T + d, c @ covariance @ c.T + r
            scores.append(MultivariateNormal(predicted, spread, validate_args=False).log_prob(now))
            gain = torch.linalg.solve(spread, c @ covariance).mT
            mean = mean + (now - predicted) @ gain.T
            covariance = covariance - gain @ c @ covariance
        return steps.sum_over_time(torch.cat(scores))

    @torch.no_grad()
    def posterior_marginals(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """p(z_t | x_1..t) by the Kalman filter, and p(z_t | x_1..T) by the smoother of Rauch, Tung and Striebel.

        x: [sequences, steps, outcome], all of one length. Returns filtered means [sequences, steps, latent] and covariances
        [steps, latent, latent], then the smoothed ones in the same shapes.
        """
        a, b, q = self.transition.network.values()
        c, d, r = self.emission.network.values()
        mean, covariance = self.initial.expand(len(x), -1), torch.zeros_like(a)
        filtered, ahead = [], []
        for t in range(x.shape[1]):
            mean, covariance = mean @ a.T + b, a @ covariance @ a.T + q
            ahead.append((mean, covariance))  # p(z_t | x_1..t-1)
            gain = torch.linalg.solve(c @ covariance @ c.T + r, c @ covariance).mT
            mean = mean + (x[:, t] - mean @ c.T - d) @ gain.T
            covariance = covariance - gain @ c @ covariance
            filtered.append((mean, covariance))
        smoothed = [filtered[-1]]
        for (mean, covariance), (mean_ahead, covariance_ahead) in zip(filtered[-2::-1], ahead[:0:-1], strict=True):
            later_mean, later_covariance = smoothed[-1]
            back = torch.linalg.solve(covariance_ahead, a @ covariance).mT
            smoothed.append(
                (
                    mean + (later_mean - mean_ahead) @ back.T,
                    covariance + back @ (later_covariance - covariance_ahead) @ back.T,
                )
            )
        parts = [*zip(*filtered, strict=True), *zip(*smoothed[::-1], strict=True)]
        return tuple(torch.stack(part, 1 - i % 2) for i, part in enumerate(parts))


class SmootherGuide(SequenceGuide):
    """The exact posterior of a `LinearGaussianStateSpace`: q(z_t | z_{t-1}, x) = p(z_t | z_{t-1}, x_t..T), a Gaussian of full covariance.

    model: shares its parameters; nothing here is trained.
    spread: standard deviations are so many times those of the posterior: with 1 every bound touches, with any other it does not.

    What the future says of z_t is p(x_t..T | z_t), proportional to exp(-z' L z / 2 + e' z): L and e come from a recursion that runs
    backwards (the information filter), as the recurrent network of the guide called "future" does.
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
        """e [latent], then the posterior's covariance given z_{t-1}, flat: [rows, latent + latent²]."""
        a, b, q = self.model.transition.network.values()
        c, d, r = self.model.emission.network.values()
        identity = torch.eye(self.latent, dtype=x.dtype, device=x.device)
        precise = torch.linalg.solve(r, c)  # R^-1 C
        information, vector = (
            torch.zeros_like(a),
            x.new_zeros(steps.num_sequences, self.latent),
        )  # of what follows the step
        rows = []
        for now in x.index_select(0, steps.mirrored).split(steps.sizes):  # each sequence's last step first
            information = information + c.T @ precise
            vector = vector[: len(now)] + (now - d) @ precise
            covariance = torch.linalg.solve(identity + q @ information, q)  # (Q^-1 + L)^-1
            rows.append(torch.cat([vector, covariance.flatten().expand(len(now), -1)], -1))
            seen = torch.linalg.solve(identity + information @ q, identity)  # z_t integrated out, in terms of z_{t-1}
            vector = (vector - b @ information.T) @ seen.T @ a
            information = a.T @ seen @ information @ a
        return torch.cat(rows).index_select(0, steps.mirrored)

    def step(self, features: Tensor, z: Tensor) -> Distribution:
        vector, covariance = features.tensor_split((self.latent,), -1)
        covariance = covariance.unflatten(-1, (self.latent, self.latent))[:, None]  # [rows, 1, latent, latent]
        prior = self.model.transition(z).base_dist
        weighted = prior.mean / prior.variance + vector[:, None]
        loc = (covariance @ weighted[..., None]).squeeze(-1)
        tril = self.spread * torch.linalg.cholesky(covariance)
        return MultivariateNormal(loc, scale_tril=tril.expand(*loc.shape, -1), validate_args=False)


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

    def values(self) -> tuple[Tensor, Tensor, Tensor]:
        """Weight, bias, covariance."""
        scale = nn.functional.softplus(self.raw_scale) + MIN_SCALE
        return self.weight, self.bias, torch.diag(scale.square())
