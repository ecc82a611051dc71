"""How good a deep Markov model is: bound and two estimates of the log-likelihood, each a sequence and a time step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from helpers.evaluation.module_mode import evaluation_mode
from helpers.evaluation.particle_filter import particle_log_marginal
from helpers.matmul import fast_matmul
from helpers.models.sequences.deep_markov import DeepMarkovModel
from helpers.models.sequences.elbo import check_parts
from helpers.models.sequences.guide import SequenceGuide, steps_of
from helpers.networks.packed_steps import PackedSteps


@dataclass(frozen=True)
class PerStep:
    """A sum over sequences, divided by the sum of their lengths: nats per time step.

    mean: the figure of the whole set. Long sequences count for as many steps as they have; it is no mean of sequences' means.
    standard_error: of that ratio, over sequences.
    values: float64 [sequences], nats a sequence.
    """

    mean: float
    standard_error: float
    values: Tensor

    @classmethod
    def over(cls, values: Tensor, lengths: Tensor) -> PerStep:
        """values: nats a sequence [sequences], lengths: time steps [sequences]."""
        values, steps = values.double(), lengths.double()
        mean = (values.sum() / steps.sum()).item()
        spread = (values - mean * steps).square().sum().sqrt() / steps.sum()
        count = len(values)
        return cls(mean, spread.item() * math.sqrt(count / (count - 1)) if count > 1 else math.nan, values)

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.standard_error:.3f}"


@dataclass(frozen=True)
class SequenceEvaluation:
    """What `evaluate_sequences` returns; S = num_samples. The negative of each `mean` is what papers call NLL, or bound, per step.

    bound: E_q[log p(x, z) - log q(z | x)], a lower bound of log p(x), estimated by the mean over S paths.
    distortion, rate: its two parts, bound = -(distortion + rate).
    log_marginal_is: importance-sampled, log 1/S sum_s p(x, z_s) / q(z_s | x): in expectation a tighter lower bound, exact as S grows.
    log_marginal_smc: by sequential Monte Carlo with S particles, None where it was not asked for: in expectation a lower bound too, and
        exact as S grows, but not always the tighter of the two, see `particle_log_marginal`.
    """

    bound: PerStep
    distortion: PerStep
    rate: PerStep
    log_marginal_is: PerStep
    log_marginal_smc: PerStep | None
    num_samples: int
    num_sequences: int
    num_steps: int


@torch.no_grad()
@fast_matmul()
def evaluate_sequences(
    model: DeepMarkovModel,
    guide: SequenceGuide,
    x: Tensor,
    lengths: Tensor,
    num_samples: int,
    batch_size: int = 20,
    smc: bool = True,
    max_evaluations: int = 10_000,
) -> SequenceEvaluation:
    """Evaluate on all of x [sequences, num_steps, *outcome], lengths int64 [sequences], without gradients.

    num_samples: paths of z a sequence, and particles of the sequential Monte Carlo.
    batch_size: sequences at a time; sequences of like length stand together, whatever their order in x.
    smc: also estimate by sequential Monte Carlo.
    max_evaluations: (time step, path) pairs at a time: memory grows with neither.

    Model and guide are in evaluation mode meanwhile. Log weights are added up in float64.
    """
    check_parts(model, guide)
    steps_of(x, lengths, model.emission.event_shape)  # all at once, before the work begins
    if num_samples < 1 or batch_size < 1:
        raise ValueError(f"Got num_samples={num_samples} and batch_size={batch_size}; expected 1 or more of each.")
    by_length = lengths.argsort(descending=True, stable=True)
    results = torch.empty(4, len(x), dtype=torch.float64, device=x.device)
    with evaluation_mode(model, guide):
        for chosen in by_length.split(batch_size):
            end = lengths[chosen]
            padded = x[chosen, : int(end.max())]
            steps = PackedSteps(end, padded.shape[1])
            packed = steps.pack(padded)
            model.emission.check_outcome(packed)
            results[:3, chosen] = _importance(model, guide, packed, steps, num_samples, max_evaluations)
            if smc:
                results[3, chosen] = particle_log_marginal(model, guide, padded, end, num_samples)
    distortion, rate, log_marginal_is, particles = results
    per_step: Callable[[Tensor], PerStep] = lambda values: PerStep.over(values, lengths)  # noqa: E731
    return SequenceEvaluation(
        per_step(-(distortion + rate)),
        per_step(distortion),
        per_step(rate),
        per_step(log_marginal_is),
        per_step(particles) if smc else None,
        num_samples,
        len(x),
        int(lengths.sum()),
    )


def _importance(
    model: DeepMarkovModel, guide: SequenceGuide, x: Tensor, steps: PackedSteps, num_samples: int, max_evaluations: int
) -> Tensor:
    """Distortion, rate and importance-sampled log-likelihood of a few sequences: float64 [3, sequences]."""
    distortion, rate = x.new_zeros(2, steps.num_sequences, dtype=torch.float64)
    log_total = torch.full_like(rate, -torch.inf)
    features = guide.features(x, steps)  # once for all paths
    remaining = num_samples
    while remaining > 0:
        draws = min(remaining, max(1, max_evaluations // steps.rows))
        remaining -= draws
        path = guide.draw_given(features, steps, draws)
        log_likelihood = steps.sum_over_time(model.step_log_likelihood(x, path.packed_z).double())  # [sequences, draws]
        log_ratio = steps.sum_over_time((path.step_log_prob() - model.step_log_prior(path.packed_z, steps)).double())
        distortion -= log_likelihood.sum(1) / num_samples
        rate += log_ratio.sum(1) / num_samples
        log_total = torch.logaddexp(log_total, (log_likelihood - log_ratio).logsumexp(1))
    return torch.stack([distortion, rate, log_total - math.log(num_samples)])
