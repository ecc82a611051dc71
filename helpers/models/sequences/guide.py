"""q(z_1, ..., z_T | x): what a guide of a deep Markov model is, and what a draw from one carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from helpers.distributions.checks import check_shape
from helpers.distributions.flow_layers import InverseAutoregressive
from helpers.estimators.draws import draw_reparameterised
from helpers.networks.packed_steps import PackedSteps

Shape = tuple[int, ...]


@dataclass(frozen=True)
class BeforeFlows:
    """What flows made z_t of: z_t = T(y_t), y_t ~ base, given z_{t-1} and x.

    base: N(m, diag(s²)), batch_shape [rows, samples].  packed_y: [rows, samples, latent].  log_det: log |det dT/dy|, [rows, samples].
    layers: T, one after another.
    """

    base: Distribution
    packed_y: Tensor
    log_det: Tensor
    layers: Sequence[InverseAutoregressive]

    def linearised_pullback(self, p: Distribution) -> Distribution:
        """A Gaussian over y_t that makes of z_t about p, N(mu, diag(sigma²)): exactly so where T is a shift and a scale of each number.

            N(m + (mu - T(m)) / a, diag((sigma / a)²)),   a = the diagonal of dT/dy at m

        NotImplementedError where p is not such a Gaussian.
        """
        if not isinstance(p, Independent) or not isinstance(p.base_dist, Normal):
            raise NotImplementedError(f"{type(p).__name__} is not a Gaussian with independent numbers")
        centre = mean = self.base.base_dist.loc
        slope = torch.ones_like(mean)
        for layer in self.layers:
            centre, factor = layer.with_slopes(centre)
            slope = slope * factor
        loc = mean + (p.base_dist.loc - centre) / slope
        return Independent(Normal(loc, p.base_dist.scale / slope, validate_args=False), 1, validate_args=False)


@dataclass(frozen=True)
class SequenceDraw:
    """z ~ q(z | x), packed, and what scores it. rows = sum of the lengths, see `PackedSteps`.

    steps: where each time step stands.
    packed_z: [rows, samples, latent].
    packed_log_prob: [rows, samples] log q(z_t | z_{t-1}, x), nats; None where `conditional` says all.
    conditional: q(z_t | z_{t-1}, x) along the drawn path, batch_shape [rows, samples]; None where it has no form that a KL could use.
    before_flows: where flows made z, what of.
    """

    steps: PackedSteps
    packed_z: Tensor
    packed_log_prob: Tensor | None
    conditional: Distribution | None
    before_flows: BeforeFlows | None = None

    @property
    def z(self) -> Tensor:
        """[samples, sequences, num_steps, latent], zero beyond the ends."""
        return self.steps.pad(self.packed_z).movedim(2, 0)

    def step_log_prob(self) -> Tensor:
        """log q(z_t | z_{t-1}, x), nats: [rows, samples]."""
        return self.conditional.log_prob(self.packed_z) if self.packed_log_prob is None else self.packed_log_prob

    @property
    def log_prob(self) -> Tensor:
        """log q(z | x), nats: [samples, sequences]."""
        return self.steps.sum_over_time(self.step_log_prob()).t()


class SequenceGuide(nn.Module):
    """q(z | x) = prod_t q(z_t | z_{t-1}, x). Subclasses say what a step knows of x, and what it makes of it.

    outcome_shape: shape of one x_t.  latent: size of z_t.
    initial: [latent] z_0 as the guide sees it, learned.
    """

    def __init__(self, outcome_shape: int | Shape, latent: int) -> None:
        super().__init__()
        self.outcome_shape: Shape = (outcome_shape,) if isinstance(outcome_shape, int) else tuple(outcome_shape)
        self.latent = latent
        self.initial = nn.Parameter(torch.zeros(latent))

    def features(self, x: Tensor, steps: PackedSteps) -> Tensor:
        """What each step knows of x. x: packed, [rows, *outcome] → [rows, ...]."""
        raise NotImplementedError

    def step(self, features: Tensor, z: Tensor) -> Distribution:
        """q(z_t | z_{t-1}, x). features: [rows, ...], z: z_{t-1} [rows, samples, latent] → batch_shape [rows, samples]."""
        raise NotImplementedError

    def forward(self, x: Tensor, lengths: Tensor, num_samples: int = 1) -> SequenceDraw:
        """z ~ q(z | x). x: [sequences, num_steps, *outcome], lengths: int64 [sequences]. Differentiable in the guide's parameters.

        The noise is drawn in the order of `PackedSteps`, so it does not depend on how far x is padded.
        """
        steps = steps_of(x, lengths, self.outcome_shape)
        return self.draw(steps.pack(x), steps, num_samples)

    def draw(self, x: Tensor, steps: PackedSteps, num_samples: int = 1) -> SequenceDraw:
        """As `forward`, with x packed: [rows, *outcome]."""
        return self.draw_given(self.features(x, steps), steps, num_samples)

    def draw_given(self, features: Tensor, steps: PackedSteps, num_samples: int = 1) -> SequenceDraw:
        """As `draw`, from what `features` returned. Here one step after another, by `step`; subclasses may know better."""
        _check_num_samples(num_samples)
        z = self.initial.expand(steps.num_sequences, num_samples, -1)
        path, log_prob = [], []
        for now in features.split(steps.sizes):
            q = self.step(now, z[: len(now)])
            z = draw_reparameterised(q, 1).squeeze(0)
            path.append(z)
            log_prob.append(q.log_prob(z))
        return SequenceDraw(steps, torch.cat(path), torch.cat(log_prob), None)

    def log_prob(self, x: Tensor, lengths: Tensor, z: Tensor) -> Tensor:
        """log q(z | x), nats, of any z, in one call over all time steps. z: [samples, sequences, num_steps, latent] → [samples, sequences].

        With flows, whose inverse has no closed form at one go, it takes one pass for each number of z.
        """
        steps = steps_of(x, lengths, self.outcome_shape)
        packed = steps.pack(z.movedim(0, 2))  # [rows, samples, latent]
        q = self.step(self.features(steps.pack(x), steps), steps.previous(packed, self.initial))
        return steps.sum_over_time(q.log_prob(packed)).t()


def standard_noise(steps: PackedSteps, num_samples: int, latent: int, like: Tensor) -> Tensor:
    """eps ~ N(0, I): [rows, samples, latent], by way of the one source that draws can be replayed from."""
    _check_num_samples(num_samples)
    loc = like.new_zeros(()).expand(steps.rows, latent)
    standard = Independent(Normal(loc, like.new_ones(()).expand_as(loc), validate_args=False), 1, validate_args=False)
    return draw_reparameterised(standard, num_samples).movedim(0, 1)


def steps_of(x: Tensor, lengths: Tensor, outcome_shape: Shape) -> PackedSteps:
    """`PackedSteps` of x [sequences, num_steps, *outcome]; ValueError where x and lengths do not fit each other, or the model."""
    shape = check_shape(x, outcome_shape, "The sequences", "a deep Markov model")
    if len(shape) != 2:
        raise ValueError(
            f"The sequences have shape {tuple(x.shape)}, and [sequences, steps, {', '.join(map(str, outcome_shape))}] was expected. One "
            "sequence alone becomes a batch with x.unsqueeze(0)."
        )
    if isinstance(lengths, Tensor) and lengths.dim() == 1 and len(lengths) != shape[0]:
        raise ValueError(f"There are {shape[0]} sequences and {len(lengths)} lengths; as many were expected.")
    return PackedSteps(lengths, shape[1])


def _check_num_samples(num_samples: int) -> None:
    if num_samples < 1:
        raise ValueError(f"num_samples counts paths of z a sequence and must be 1 or more; {num_samples} was given.")
