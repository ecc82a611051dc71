"""q(z_1, ..., z_T | x): the base class of a deep Markov model's guides, and the draws they return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from helpers.distributions.checks import check_shape
from helpers.distributions.flow_layers import InverseAutoregressive
from helpers.estimators.draws import draw_reparameterised
from helpers.networks import PackedSteps, Shape, as_shape, as_size


@dataclass(frozen=True)
class FlowDraw:
    """A draw through a flow: z_t = T(y_t), y_t ~ base, given z_{t-1} and x.

    Args:
        base: q_0(y_t | z_{t-1}, x) = N(m, diag(s²)), batch_shape [rows, samples].
        packed_y: y_t [rows, samples, latent].
        log_det: log |det dT/dy| at y_t [rows, samples].
        layers: The layers of T, in the order in which they are applied.
    """

    base: Independent[Normal]
    packed_y: Tensor
    log_det: Tensor
    layers: Sequence[InverseAutoregressive]

    def linearised_pullback(self, p: Distribution) -> Independent[Normal]:
        """The pullback of p through T made linear at m: a Gaussian over y_t whose image under T is about p = N(mu, diag(sigma²)).

            N(m + (mu - T(m)) / a, diag((sigma / a)²)),   a = the diagonal of dT/dy at m

        Exact if T shifts and scales each coordinate.

        Args:
            p: A Gaussian with independent coordinates over z_t, batch_shape [rows, samples].

        Returns:
            The Gaussian over y_t, batch_shape [rows, samples].

        Raises:
            NotImplementedError: If p is not a Gaussian with independent coordinates.
        """
        if not isinstance(p, Independent) or not isinstance(p.base_dist, Normal):
            raise NotImplementedError(f"{type(p).__name__} is not a Gaussian with independent coordinates")
        image = mean = self.base.base_dist.loc
        slope = torch.ones_like(mean)
        for layer in self.layers:
            image, factor = layer.with_slopes(image)
            slope = slope * factor
        loc = mean + (p.base_dist.loc - image) / slope
        return Independent(Normal(loc, p.base_dist.scale / slope, validate_args=False), 1, validate_args=False)


@dataclass(frozen=True)
class SequenceDraw:
    """z ~ q(z | x), packed, with log q of each step. rows = sum of the lengths, see `PackedSteps`.

    Args:
        steps: Index maps between padded and packed.
        packed_z: z_t [rows, samples, latent].
        packed_log_prob: log q(z_t | z_{t-1}, x) in nats [rows, samples]; None: computed from `conditional` on demand.
        conditional: q(z_t | z_{t-1}, x) along the drawn path, batch_shape [rows, samples]; None if it has no form for a KL.
        flow: The draw before and after the flow; None for a guide without flows.
    """

    steps: PackedSteps
    packed_z: Tensor
    packed_log_prob: Tensor | None
    conditional: Distribution | None
    flow: FlowDraw | None = None

    @property
    def z(self) -> Tensor:
        """z [samples, sequences, num_steps, latent], zero beyond the ends."""
        return self.steps.pad(self.packed_z).movedim(2, 0)

    def step_log_prob(self) -> Tensor:
        """log q(z_t | z_{t-1}, x) of every time step, in nats [rows, samples].

        Raises:
            ValueError: If the draw has neither `packed_log_prob` nor `conditional`.
        """
        if self.packed_log_prob is not None:
            return self.packed_log_prob
        if self.conditional is None:
            raise ValueError("A SequenceDraw needs packed_log_prob or conditional, and was made with neither.")
        return self.conditional.log_prob(self.packed_z)

    @property
    def log_prob(self) -> Tensor:
        """log q(z | x) in nats [samples, sequences]."""
        return self.steps.sum_over_time(self.step_log_prob()).t()


class SequenceGuide(nn.Module):
    """q(z | x) = prod_t q(z_t | z_{t-1}, x). Subclasses define what each step reads of x, `features`, and its conditional, `step`.

    Args:
        outcome_shape: Shape of one x_t.
        latent: Size of z_t.

    Attributes:
        initial: z_0 of the guide [latent], learned; zeros before training.
    """

    def __init__(self, outcome_shape: int | Shape, latent: int) -> None:
        super().__init__()
        self.outcome_shape: Shape = as_shape(outcome_shape)
        self.latent = latent
        self.initial = nn.Parameter(torch.zeros(latent))

    def features(self, x: Tensor, steps: PackedSteps) -> Tensor:
        """What each step reads of x; computed once for all samples.

        Args:
            x: Packed sequences [rows, *outcome].
            steps: Index maps between padded and packed.

        Returns:
            Packed features [rows, ...].

        Raises:
            NotImplementedError: If a subclass does not define it.
        """
        raise NotImplementedError

    def step(self, features: Tensor, z: Tensor) -> Distribution:
        """q(z_t | z_{t-1}, x).

        Args:
            features: Packed features of the steps [rows, ...], of all steps or of some.
            z: z_{t-1} [rows, samples, latent].

        Returns:
            A distribution over z_t with batch_shape [rows, samples].

        Raises:
            NotImplementedError: If a subclass does not define it.
        """
        raise NotImplementedError

    def forward(self, x: Tensor, lengths: Tensor, num_samples: int = 1) -> SequenceDraw:
        """Draw z ~ q(z | x), differentiable in the guide's parameters.

        The noise is drawn in the order of `PackedSteps`, so it does not depend on how far x is padded.

        Args:
            x: Sequences [sequences, num_steps, *outcome].
            lengths: Time steps of each, int64 [sequences].
            num_samples: Paths of z for each sequence.

        Returns:
            The paths and their log q.

        Raises:
            ValueError: If x and lengths do not fit each other or the guide, or if num_samples is below 1.
        """
        steps = steps_of(x, lengths, self.outcome_shape)
        return self.draw(steps.pack(x), steps, num_samples)

    def draw(self, x: Tensor, steps: PackedSteps, num_samples: int = 1) -> SequenceDraw:
        """Draw z ~ q(z | x) from packed sequences.

        Args:
            x: Packed sequences [rows, *outcome].
            steps: Index maps between padded and packed.
            num_samples: Paths of z for each sequence.

        Returns:
            The paths and their log q.
        """
        return self.draw_given(self.features(x, steps), steps, num_samples)

    def draw_given(self, features: Tensor, steps: PackedSteps, num_samples: int = 1) -> SequenceDraw:
        """Draw z ~ q(z | x) from features: here one step after another, by `step`; a subclass may have a faster way.

        Args:
            features: Packed features [rows, ...], what `features` returned.
            steps: Index maps between padded and packed.
            num_samples: Paths of z for each sequence.

        Returns:
            The paths and their log q.
        """
        _check_num_samples(num_samples)
        z = self.initial.expand(steps.num_sequences, num_samples, -1)
        path, log_prob = [], []
        for features_t in features.split(steps.sizes):
            q = self.step(features_t, z[: len(features_t)])
            z = draw_reparameterised(q, 1).squeeze(0)
            path.append(z)
            log_prob.append(q.log_prob(z))
        return SequenceDraw(steps, torch.cat(path), torch.cat(log_prob), None)

    def log_prob(self, x: Tensor, lengths: Tensor, z: Tensor) -> Tensor:
        """log q(z | x) of any z, in nats, in one call over all time steps.

        With flows, whose inverse is sequential, it takes one pass of the flow's network for each coordinate of z_t.

        Args:
            x: Sequences [sequences, num_steps, *outcome].
            lengths: Time steps of each, int64 [sequences].
            z: Latent paths [samples, sequences, num_steps, latent].

        Returns:
            [samples, sequences].
        """
        steps = steps_of(x, lengths, self.outcome_shape)
        packed = steps.pack(z.movedim(0, 2))  # [rows, samples, latent]
        q = self.step(self.features(steps.pack(x), steps), steps.previous(packed, self.initial))
        return steps.sum_over_time(q.log_prob(packed)).t()


def standard_noise(steps: PackedSteps, num_samples: int, latent: int, like: Tensor) -> Tensor:
    """eps ~ N(0, I) for every time step, from the draw source of `helpers.estimators`, so that a test can replay it.

    Args:
        steps: Index maps between padded and packed.
        num_samples: Paths of z for each sequence, 1 or more.
        latent: Size of z_t.
        like: Tensor whose dtype and device the noise has.

    Returns:
        Packed noise [rows, samples, latent].
    """
    _check_num_samples(num_samples)
    loc = like.new_zeros(()).expand(steps.rows, latent)
    standard = Independent(Normal(loc, like.new_ones(()).expand_as(loc), validate_args=False), 1, validate_args=False)
    return draw_reparameterised(standard, num_samples).movedim(0, 1)


def steps_of(x: Tensor, lengths: Tensor, outcome_shape: Shape) -> PackedSteps:
    """The `PackedSteps` of a batch of sequences.

    Args:
        x: Sequences [sequences, num_steps, *outcome].
        lengths: Time steps of each, int64 [sequences].
        outcome_shape: Shape of one x_t that the model expects.

    Returns:
        Index maps between padded and packed.

    Raises:
        ValueError: If x and lengths do not fit each other, or x does not fit outcome_shape.
    """
    shape = check_shape(x, outcome_shape, "the sequences", "a deep Markov model")
    if len(shape) != 2:
        raise ValueError(
            f"The sequences have shape {tuple(x.shape)}, and [sequences, steps, {', '.join(map(str, outcome_shape))}] was expected. One "
            "sequence alone becomes a batch with x.unsqueeze(0)."
        )
    if isinstance(lengths, Tensor) and lengths.dim() == 1 and len(lengths) != shape[0]:
        raise ValueError(
            f"There are {shape[0]} sequences and {len(lengths)} lengths; one length for each was expected."
        )
    return PackedSteps(lengths, shape[1])


def _check_num_samples(num_samples: int) -> None:
    as_size(num_samples, "num_samples, the paths of z per sequence,")
