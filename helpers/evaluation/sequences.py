"""How good a deep Markov model is: bound and two estimates of log p(x), each per sequence and per time step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from helpers.data.checks import check_integer
from helpers.evaluation.doors import check_sequence_arguments, explained
from helpers.evaluation.module_mode import evaluation_mode
from helpers.evaluation.particle_filter import particle_log_marginal
from helpers.matmul import fast_matmul
from helpers.models.sequences.deep_markov import DeepMarkovModel
from helpers.models.sequences.elbo import check_parts
from helpers.models.sequences.guide import SequenceGuide, steps_of
from helpers.networks import PackedSteps


@dataclass(frozen=True)
class PerStep:
    """A sum over sequences, divided by the sum of their lengths: nats per time step.

    Args:
        mean: The ratio, of the whole set: every time step has the same weight. It is not the mean of sequences' means.
        standard_error: Of the ratio, over sequences; nan for one sequence.
        values: Nats per sequence, float64 [sequences].
    """

    mean: float
    standard_error: float
    values: Tensor

    @classmethod
    def over(cls, values: Tensor, lengths: Tensor) -> PerStep:
        """Ratio and standard error of one value per sequence.

        Args:
            values: Nats per sequence [sequences].
            lengths: Time steps of each [sequences].

        Returns:
            Nats per time step, with the standard error of a ratio.
        """
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

    Args:
        bound: E_q[log p(x, z) - log q(z | x)], a lower bound of log p(x), estimated by the mean over S paths.
        distortion: E_q[-log p(x | z)]; bound = -(distortion + rate).
        rate: E_q[log q(z | x) - log p(z)].
        log_marginal_is: Importance-sampled, log 1/S sum_s p(x, z_s) / q(z_s | x): in expectation a tighter lower bound, exact as S
            grows.
        log_marginal_smc: By sequential Monte Carlo with S particles; None without `smc`. In expectation a lower bound too, and exact
            as S grows, but not always the tighter of the two, see `particle_log_marginal`.
        num_samples: S.
        num_sequences: Sequences in the set.
        num_steps: Time steps in the set, the sum of the lengths.
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
    """Evaluate bound, distortion, rate and two estimates of log p(x) on a whole set, without gradients and in evaluation mode.

    Log weights are summed in float64.

    Args:
        model: p(x, z).
        guide: q(z | x).
        x: Sequences [sequences, num_steps, *outcome].
        lengths: Time steps of each, int64 [sequences].
        num_samples: S, paths of z per sequence, and particles of the sequential Monte Carlo.
        batch_size: Sequences at a time; they are sorted by length first, whatever their order in x.
        smc: Also estimate log p(x) by sequential Monte Carlo.
        max_evaluations: (time step, path) pairs at a time: memory grows with neither.

    Returns:
        Each quantity in nats per time step, with its standard error and its values per sequence.

    Raises:
        ValueError: If model, guide, x and lengths are something else or do not fit each other, or if a count is no integer of 1 or more.
    """
    check_sequence_arguments(model, guide, x, lengths)
    num_samples = check_integer(num_samples, "num_samples", "the paths of z per sequence")
    batch_size = check_integer(batch_size, "batch_size", "the sequences at a time")
    max_evaluations = check_integer(max_evaluations, "max_evaluations", "the (time step, path) pairs at a time")
    check_parts(model, guide)
    steps_of(x, lengths, model.emission.event_shape)  # checks all sequences before the first batch
    by_length = lengths.argsort(descending=True, stable=True)
    results = torch.empty(4, len(x), dtype=torch.float64, device=x.device)
    with evaluation_mode(model, guide), explained(guide, x):
        for chosen in by_length.split(batch_size):
            chosen_lengths = lengths[chosen]
            padded = x[chosen, : int(chosen_lengths.max())]
            steps = PackedSteps(chosen_lengths, padded.shape[1])
            packed = steps.pack(padded)
            model.emission.check_outcome(packed)
            results[:3, chosen] = _importance_sampled(model, guide, packed, steps, num_samples, max_evaluations)
            if smc:
                results[3, chosen] = particle_log_marginal(model, guide, padded, chosen_lengths, num_samples)
    distortion, rate, log_marginal_is, log_marginal_smc = results
    return SequenceEvaluation(
        PerStep.over(-(distortion + rate), lengths),
        PerStep.over(distortion, lengths),
        PerStep.over(rate, lengths),
        PerStep.over(log_marginal_is, lengths),
        PerStep.over(log_marginal_smc, lengths) if smc else None,
        num_samples,
        len(x),
        int(lengths.sum()),
    )


def _importance_sampled(
    model: DeepMarkovModel, guide: SequenceGuide, x: Tensor, steps: PackedSteps, num_samples: int, max_evaluations: int
) -> Tensor:
    """Distortion, rate and importance-sampled log p(x) of a few sequences: float64 [3, sequences]."""
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
