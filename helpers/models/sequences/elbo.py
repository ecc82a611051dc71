"""The objective of a deep Markov model."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import kl_divergence

from helpers.estimators import Estimate
from helpers.models.sequences.deep_markov import DeepMarkovModel
from helpers.models.sequences.guide import SequenceDraw, SequenceGuide, steps_of


class SequenceElbo(nn.Module):
    """E_q[sum_t log p(x_t | z_t) - w R_t], a bound on log p(x) for w >= 1: nats a SEQUENCE. Pathwise gradient.

    R_t = log q(z_t | z_{t-1}, x) - log p(z_t | z_{t-1}), or its mean over z_t in closed form,
    KL(q(z_t | z_{t-1}, x) || p(z_t | z_{t-1})): only z_{t-1} is a sample then, and there is less noise. Where flows T make z_t = T(y_t)
    of a y_t from a base q_0, what has a closed form is taken in closed form, and what is left is not:

        R_t = KL(q_0(y_t | z_{t-1}, x) || p'(y_t)) + log p'(y_t) - log p(z_t | z_{t-1}) - log |det dT/dy_t|,

    with p' the Gaussian that T's slopes at the mean of q_0 carry to p(z_t | z_{t-1}), see `BeforeFlows.linearised_pullback`. Any p' gives
    the same mean; with this one there is no noise at all where T is a shift and a scale of each number. With p itself for p' there is the
    more of it the wider q_0 is beside p, and nothing keeps flow and base from drifting: a base twice as wide, a flow that halves it.

    model, guide: p(x, z) and q(z | x).
    num_samples: paths of z drawn for each sequence.
    closed_form: True: take the KL in closed form, or refuse; False: log q - log p; None: the closed form, or what there is of it.
    rate_weight: w in training mode; 0 to 1 over the first epochs is KL annealing. In evaluation mode, as `fit` scores `valid`, w is 1,
        so that curves and `patience` see the bound whatever w has come to.

    Called with a `SequenceBatch`, or a tuple (x [sequences, num_steps, *outcome], lengths int64 [sequences]); returns an `Estimate`
    [sequences] with terms `distortion`, -sum_t log p(x_t | z_t), and `rate`, sum_t R_t. A figure per time step is a sum over sequences,
    divided by the sum of their lengths, never a mean of sequences' means.
    Krishnan, Shalit, Sontag 2017, "Structured Inference Networks for Nonlinear State Space Models", equation 6.
    """

    def __init__(
        self,
        model: DeepMarkovModel,
        guide: SequenceGuide,
        num_samples: int = 1,
        closed_form: bool | None = None,
        rate_weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_parts(model, guide)
        if num_samples < 1:
            raise ValueError(
                f"num_samples counts paths of z a sequence and must be 1 or more; {num_samples} was given."
            )
        if rate_weight < 0:
            raise ValueError(
                f"rate_weight={rate_weight} would reward a guide for leaving the prior; 0 or more was expected."
            )
        self.model = model
        self.guide = guide
        self.num_samples = num_samples
        self.closed_form = closed_form
        self.rate_weight = rate_weight

    def forward(self, batch: tuple[Tensor, Tensor]) -> Estimate:
        x, lengths = as_sequences(batch, type(self).__name__)
        steps = steps_of(x, lengths, self.model.emission.event_shape)
        x = steps.pack(x)
        self.model.emission.check_outcome(x)
        path = self.guide.draw(x, steps, self.num_samples)
        distortion = -self.model.step_log_likelihood(x, path.packed_z)
        rate = self._rate(path)
        # [rows, samples] → [sequences]
        distortion, rate = (steps.sum_over_time(term.mean(1)) for term in (distortion, rate))
        weight = self.rate_weight if self.training else 1.0
        return Estimate.of(-distortion - weight * rate, distortion=distortion, rate=rate)

    def _rate(self, path: SequenceDraw) -> Tensor:
        """R_t: [rows, samples]."""
        p = self.model.transition(path.steps.previous(path.packed_z, self.model.initial))
        if self.closed_form is False:
            return path.step_log_prob() - p.log_prob(path.packed_z)
        before = path.before_flows
        try:
            if path.conditional is not None:
                return kl_divergence(path.conditional, p)
            if before is not None and not self.closed_form:
                carried = before.linearised_pullback(p)
                changed = carried.log_prob(before.packed_y) - p.log_prob(path.packed_z) - before.log_det
                return kl_divergence(before.base, carried) + changed
        except NotImplementedError:
            pass
        if self.closed_form:
            raise ValueError(
                f"There is no closed form for the KL between a step of {type(self.guide).__name__} and of "
                f"{type(self.model.transition).__name__}. Usual cause: flows=1 or more. closed_form=None or False estimates it."
            )
        return path.step_log_prob() - p.log_prob(path.packed_z)


def as_sequences(batch: tuple[Tensor, Tensor], caller: str) -> tuple[Tensor, Tensor]:
    """x and lengths; ValueError where a batch is anything but the two."""
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise ValueError(
            f"{caller} takes batches of (sequences, lengths), and a {type(batch).__name__} was given. `SequenceBatches` makes them; "
            "`Batches` of sequences alone does not say where they end."
        )
    x, lengths = batch
    return x, lengths


def check_parts(model: DeepMarkovModel, guide: SequenceGuide) -> None:
    """ValueError where model and guide do not speak of the same x and z."""
    if guide.latent != model.latent or tuple(guide.outcome_shape) != tuple(model.emission.event_shape):
        raise ValueError(
            f"The guide reads x_t of shape {tuple(guide.outcome_shape)} and draws z_t of {guide.latent} numbers; the model has "
            f"{tuple(model.emission.event_shape)} and {model.latent}: they must be the same."
        )
