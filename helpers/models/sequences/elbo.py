"""The objective of a deep Markov model."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.distributions import closed_form_kl
from helpers.estimators import Estimate
from helpers.models.checks import check_part
from helpers.models.elbo import REWARDS_RATE
from helpers.models.sequences.deep_markov import DeepMarkovModel
from helpers.models.sequences.guide import SequenceDraw, SequenceGuide, steps_of
from helpers.networks.sizes import as_size, as_weight


class SequenceElbo(nn.Module):
    """E_q[sum_t log p(x_t | z_t) - w R_t], a bound on log p(x) if w >= 1: nats per SEQUENCE. Pathwise gradient.

    R_t = log q(z_t | z_{t-1}, x) - log p(z_t | z_{t-1}), or its mean over z_t, KL(q(z_t | z_{t-1}, x) || p(z_t | z_{t-1})), if that
    has a closed form: then only z_{t-1} is a sample, and there is less noise. `AnalyticKlSequenceElbo` insists on the closed form,
    `SampledKlSequenceElbo` does without it. If a flow T makes z_t = T(y_t) from a base y_t ~ q_0, a part of R_t has a closed form, and
    the rest is estimated:

        R_t = KL(q_0(y_t | z_{t-1}, x) || p'(y_t)) + log p'(y_t) - log p(z_t | z_{t-1}) - log |det dT/dy_t|,

    with p' the pullback of p(z_t | z_{t-1}) through T made linear at the mean of q_0, see `FlowDraw.linearised_pullback`. Any p' gives
    the same mean; this one gives no noise if T shifts and scales each coordinate. With p' = p the noise grows with the width of q_0
    relative to p, and flow and base are free to drift apart: a base twice as wide, a flow that halves it.

    `value` and `surrogate` both hold the weight: in training mode, unless w = 1, `value` is not the ELBO, which is
    -(distortion + rate). There is no auxiliary loss.

    Called with a `SequenceBatch`, or a tuple (x [sequences, num_steps, *outcome], lengths int64 [sequences]); returns an `Estimate`
    [sequences] with terms `distortion`, -sum_t log p(x_t | z_t), and `rate`, sum_t R_t without the weight. A figure per time step is the
    sum over sequences divided by the sum of their lengths, not the mean of sequences' means.
    Krishnan, Shalit, Sontag 2017, "Structured Inference Networks for Nonlinear State Space Models", equation 6.

    Args:
        model: p(x, z).
        guide: q(z | x).
        num_samples: Paths of z drawn for each sequence.
        rate_weight: w in training mode; 0 to 1 over the first epochs is KL annealing. In evaluation mode, in which `fit` scores the
            validation set, w is 1, so that curves and `patience` see the bound.

    Raises:
        ValueError: If an argument is of the wrong kind, if model and guide do not fit, if num_samples is below 1, or if rate_weight is
            negative.
    """

    def __init__(
        self,
        model: DeepMarkovModel,
        guide: SequenceGuide,
        num_samples: int = 1,
        rate_weight: float = 1.0,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        check_part(model, DeepMarkovModel, SequenceGuide, name, "model")
        check_part(guide, SequenceGuide, DeepMarkovModel, name, "guide")
        check_parts(model, guide)
        self.model = model
        self.guide = guide
        self.num_samples = as_size(num_samples, "num_samples, the paths of z per sequence,")
        self.rate_weight = rate_weight

    @property
    def rate_weight(self) -> float:
        """w in training mode; it may be set during training."""
        return self._rate_weight

    @rate_weight.setter
    def rate_weight(self, rate_weight: float) -> None:
        self._rate_weight = as_weight(rate_weight, "rate_weight", REWARDS_RATE)

    def forward(self, batch: tuple[Tensor, Tensor]) -> Estimate:
        x, lengths = as_sequences(batch, type(self).__name__)
        steps = steps_of(x, lengths, self.model.emission.event_shape)
        x = steps.pack(x)
        self.model.emission.check_outcome(x)
        path = self.guide.draw(x, steps, self.num_samples)
        distortion = -self.model.step_log_likelihood(x, path.packed_z)
        rate = self.step_rate(path)
        # [rows, samples] → [sequences]
        distortion, rate = (steps.sum_over_time(term.mean(1)) for term in (distortion, rate))
        weight = self.rate_weight if self.training else 1.0
        return Estimate.of(-distortion - weight * rate, distortion=distortion, rate=rate)

    def step_rate(self, path: SequenceDraw) -> Tensor:
        """R_t, without the weight.

        Args:
            path: z ~ q(z | x).

        Returns:
            Packed, [rows, samples], in nats.
        """
        p = self._transition(path)
        try:
            if path.conditional is not None:
                return closed_form_kl(path.conditional, p)
            if (flow := path.flow) is not None:
                pullback = flow.linearised_pullback(p)
                remainder = pullback.log_prob(flow.packed_y) - p.log_prob(path.packed_z) - flow.log_det
                return closed_form_kl(flow.base, pullback) + remainder
        except NotImplementedError:
            pass
        return path.step_log_prob() - p.log_prob(path.packed_z)

    def _transition(self, path: SequenceDraw) -> Distribution:
        return self.model.transition(path.steps.previous(path.packed_z, self.model.initial))


class SampledKlSequenceElbo(SequenceElbo):
    """`SequenceElbo` with R_t = log q(z_t | z_{t-1}, x) - log p(z_t | z_{t-1}) of the sampled z_t: the same mean, more noise."""

    def step_rate(self, path: SequenceDraw) -> Tensor:
        return path.step_log_prob() - self._transition(path).log_prob(path.packed_z)


class AnalyticKlSequenceElbo(SequenceElbo):
    """`SequenceElbo` with R_t = KL(q(z_t | z_{t-1}, x) || p(z_t | z_{t-1})); ValueError when called if it has no closed form."""

    def step_rate(self, path: SequenceDraw) -> Tensor:
        try:
            if path.conditional is not None:
                return closed_form_kl(path.conditional, self._transition(path))
        except NotImplementedError:
            pass
        raise ValueError(
            f"There is no closed form for the KL between a step of {type(self.guide).__name__} and of "
            f"{type(self.model.transition).__name__}. Usual cause: flows=1 or more. SequenceElbo and SampledKlSequenceElbo estimate it."
        )


def as_sequences(batch: tuple[Tensor, Tensor], caller: str) -> tuple[Tensor, Tensor]:
    """Unpack a batch of sequences.

    Args:
        batch: (x [sequences, num_steps, *outcome], lengths int64 [sequences]).
        caller: Name of the objective, for the message.

    Returns:
        x and lengths.

    Raises:
        ValueError: If the batch is not a pair.
    """
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise ValueError(
            f"{caller} takes batches of (sequences, lengths), and a {type(batch).__name__} was given. `SequenceBatches` makes them; "
            "`Batches` of sequences alone has no lengths."
        )
    x, lengths = batch
    return x, lengths


def check_parts(model: DeepMarkovModel, guide: SequenceGuide) -> None:
    """Check that model and guide have the same x and z.

    Args:
        model: p(x, z).
        guide: q(z | x).

    Raises:
        ValueError: If the shape of x_t or the size of z_t differ.
    """
    if guide.latent != model.latent or tuple(guide.outcome_shape) != tuple(model.emission.event_shape):
        raise ValueError(
            f"The guide reads x_t of shape {tuple(guide.outcome_shape)} and draws z_t of size {guide.latent}; the model has "
            f"{tuple(model.emission.event_shape)} and {model.latent}: they must be the same."
        )
