"""The deep Markov model: a chain of latent vectors, each of which shows itself once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from helpers.distributions import BernoulliConditional, Conditional, GatedTransition, NetworkConditional
from helpers.models.sequences.guide import SequenceGuide, Shape, steps_of
from helpers.models.sequences.recurrent_guide import RecurrentGuide
from helpers.networks import FeedForward
from helpers.networks.packed_steps import PackedSteps


class DeepMarkovModel(nn.Module):
    """p(x, z) = prod_t p(z_t | z_{t-1}) p(x_t | z_t), t = 1, ..., T. z_0 is a parameter, and T is given.

    transition: z_{t-1} [latent] → p(z_t | z_{t-1}), such as `GatedTransition`.
    emission: z_t [latent] → p(x_t | z_t).
    initial: [latent] z_0, learned; zeros at first.

    Sequences are tensors [sequences, num_steps, *outcome] with int64 lengths [sequences]: what lies beyond a length is never read. All
    log-probabilities are in nats, those of sequences summed over their time steps.
    Krishnan, Shalit, Sontag 2017, "Structured Inference Networks for Nonlinear State Space Models".
    """

    def __init__(self, transition: Conditional, emission: Conditional) -> None:
        super().__init__()
        latent = tuple(transition.event_shape)
        if len(latent) != 1 or tuple(transition.input_shape) != latent or tuple(emission.input_shape) != latent:
            raise ValueError(
                f"The transition goes from z of shape {tuple(transition.input_shape)} to {latent}, and the emission reads "
                f"{tuple(emission.input_shape)}: all three must be one and the same vector."
            )
        self.transition = transition
        self.emission = emission
        self.initial = nn.Parameter(torch.zeros(latent))

    @property
    def latent(self) -> int:
        """Size of z_t."""
        return self.transition.event_shape[0]

    @torch.no_grad()
    def sample(self, num: int, steps: int, after: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x, z ~ p(x, z): x [num, steps, *outcome], z [num, steps, latent].

        after: [num, latent] z to go on from, where a sequence is continued; z_0 by default.
        """
        if num < 1 or steps < 1:
            raise ValueError(f"Got num={num} sequences of steps={steps}; expected 1 or more of each.")
        z = self.initial.expand(num, -1) if after is None else after
        if z.shape != (num, self.latent):
            raise ValueError(f"Got `after` of shape {tuple(z.shape)}; expected [num, latent] = {(num, self.latent)}.")
        path = []
        for _ in range(steps):
            z = self.transition(z).sample()
            path.append(z)
        path = torch.stack(path, 1)
        return self.emission(path).sample(), path

    def log_joint(self, x: Tensor, lengths: Tensor, z: Tensor) -> Tensor:
        """log p(x, z). x: [num, steps, *outcome], lengths: int64 [num], z: [..., num, steps, latent] → [..., num]."""
        steps = steps_of(x, lengths, self.emission.event_shape)
        if z.shape[-3:] != (*x.shape[:2], self.latent):
            raise ValueError(
                f"Got z of shape {tuple(z.shape)}; expected [..., num, steps, latent] = [..., {(*x.shape[:2], self.latent)}]."
            )
        leading = z.shape[:-3]
        packed = steps.pack(z.reshape(leading.numel(), *z.shape[-3:]).movedim(0, 2))  # [rows, samples, latent]
        per_step = self.step_log_prior(packed, steps) + self.step_log_likelihood(steps.pack(x), packed)
        return steps.sum_over_time(per_step).t().reshape(*leading, len(x))

    def step_log_prior(self, z: Tensor, steps: PackedSteps) -> Tensor:
        """log p(z_t | z_{t-1}). z: packed, [rows, samples, latent] → [rows, samples]."""
        return self.transition(steps.previous(z, self.initial)).log_prob(z)

    def step_log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x_t | z_t). x: packed, [rows, *outcome], z: packed, [rows, samples, latent] → [rows, samples]."""
        return self.emission(z).log_prob(x.unsqueeze(1))


def deep_markov_model(
    outcome_shape: int | Shape,
    latent: int = 100,
    emission: tuple[int, ...] = (100, 100),
    transition: int = 200,
    rnn: int = 600,
    guide: str = "future",
    cell: str = "gru",
    flows: int = 0,
    dropout: float = 0.0,
    likelihood: type[NetworkConditional] = BernoulliConditional,
) -> tuple[DeepMarkovModel, SequenceGuide]:
    """Model and guide with a gated transition and recurrent networks, in the sizes of Krishnan et al. and of Pyro's example.

    outcome_shape: shape of one x_t.  latent: size of z_t.
    emission: hidden sizes of the emission's network.  transition: hidden size of gate and proposal.
    rnn, guide, cell, flows, dropout: `hidden`, `reads`, `cell`, `flows`, `dropout` of `RecurrentGuide`.
    likelihood: class of p(x_t | z_t).
    """
    model = DeepMarkovModel(
        GatedTransition(latent, transition),
        likelihood((latent,), outcome_shape, FeedForward(emission, nn.ReLU)),
    )
    return model, RecurrentGuide(outcome_shape, latent, rnn, guide, cell, dropout, flows)
