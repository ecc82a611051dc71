"""The deep Markov model: a Markov chain of latent vectors, each with one observation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from helpers.distributions import BernoulliConditional, Conditional, GatedTransition
from helpers.distributions.network_conditional import check_conditional
from helpers.models.sequences.guide import SequenceGuide, steps_of
from helpers.models.sequences.recurrent_guide import RecurrentGuide
from helpers.networks import FeedForward, NetworkRecipe, PackedSteps, Shape, as_size


class DeepMarkovModel(nn.Module):
    """p(x, z) = prod_t p(z_t | z_{t-1}) p(x_t | z_t), t = 1, ..., T. z_0 is a parameter, and T is given.

    Sequences are tensors [sequences, num_steps, *outcome] with int64 lengths [sequences]; entries beyond a length are never read. All
    log-probabilities are in nats, those of sequences summed over their time steps.
    Krishnan, Shalit, Sontag 2017, "Structured Inference Networks for Nonlinear State Space Models".

    Args:
        transition: z_{t-1} [*batch, latent] → p(z_t | z_{t-1}), such as `GatedTransition`.
        emission: z_t [*batch, latent] → p(x_t | z_t).

    Attributes:
        initial: z_0 [latent], learned; zeros before training.

    Raises:
        ValueError: If an argument is not a conditional, if transition and emission disagree on the size of z_t, or if z_t is not a vector.
    """

    def __init__(self, transition: Conditional, emission: Conditional) -> None:
        super().__init__()
        check_conditional(transition, type(self).__name__, "transition p(z_t | z_{t-1})")
        check_conditional(emission, type(self).__name__, "emission p(x_t | z_t)")
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
        """Draw sequences x, z ~ p(x, z), all of the same length.

        Args:
            num: Number of sequences.
            steps: Time steps of each.
            after: z of the time step before the first [num, latent], to continue given sequences; None: z_0.

        Returns:
            x [num, steps, *outcome] and z [num, steps, latent].

        Raises:
            ValueError: If num or steps is below 1, or if `after` has another shape.
        """
        if num < 1 or steps < 1:
            raise ValueError(f"Got num={num} sequences of steps={steps}; expected 1 or more of each.")
        num, steps = as_size(num, "num"), as_size(steps, "steps")
        z = self.initial.expand(num, -1) if after is None else after
        if z.shape != (num, self.latent):
            raise ValueError(f"Got `after` of shape {tuple(z.shape)}; expected [num, latent] = {(num, self.latent)}.")
        drawn = []
        for _ in range(steps):
            z = self.transition(z).sample()
            drawn.append(z)
        path = torch.stack(drawn, 1)
        return self.emission(path).sample(), path

    def log_joint(self, x: Tensor, lengths: Tensor, z: Tensor) -> Tensor:
        """log p(x, z), in nats.

        Args:
            x: Sequences [num, steps, *outcome].
            lengths: Time steps of each, int64 [num].
            z: Latent paths [..., num, steps, latent].

        Returns:
            [..., num].

        Raises:
            ValueError: If x, lengths and z do not fit each other.
        """
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
        """log p(z_t | z_{t-1}) of every time step, in nats.

        Args:
            z: Packed latent paths [rows, samples, latent].
            steps: Index maps between padded and packed.

        Returns:
            [rows, samples].
        """
        return self.transition(steps.previous(z, self.initial)).log_prob(z)

    def step_log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x_t | z_t) of every time step, in nats.

        Args:
            x: Packed sequences [rows, *outcome].
            z: Packed latent paths [rows, samples, latent].

        Returns:
            [rows, samples].
        """
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
    likelihood: Callable[[Shape, int | Shape, NetworkRecipe], Conditional] = BernoulliConditional,
) -> tuple[DeepMarkovModel, SequenceGuide]:
    """Model and guide with a gated transition and recurrent networks, in the sizes of Krishnan et al. and of Pyro's example.

    Args:
        outcome_shape: Shape of one x_t.
        latent: Size of z_t.
        emission: Hidden sizes of the emission's network.
        transition: Hidden size of gate and proposal, see `GatedTransition`.
        rnn: Hidden size of the guide's recurrent networks, `hidden` of `RecurrentGuide`.
        guide: Part of x that a step of the guide reads: "future", "past", "both" or "mean-field", see `RecurrentGuide`.
        cell: Recurrent cell: "gru", "relu" or "tanh".
        flows: Inverse autoregressive layers on each step of the guide; 0: none.
        dropout: Probability of dropping an input or a state of the guide's recurrent networks in training mode.
        likelihood: Class of p(x_t | z_t): input shape, outcome shape, network → conditional.

    Returns:
        The model p(x, z) and the guide q(z | x).
    """
    model = DeepMarkovModel(
        GatedTransition(latent, transition),
        likelihood((latent,), outcome_shape, FeedForward(emission, nn.ReLU)),
    )
    return model, RecurrentGuide(outcome_shape, latent, rnn, guide, cell, dropout, flows)
