"""log p(x) of a sequence by sequential Monte Carlo: particles that move forward in time and are resampled."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor

from helpers.data.checks import check_integer
from helpers.estimators.draws import draw, draw_uniform
from helpers.evaluation.doors import check_sequence_arguments
from helpers.models.sequences.deep_markov import DeepMarkovModel
from helpers.models.sequences.guide import SequenceGuide, steps_of


@torch.no_grad()
def particle_log_marginal(
    model: DeepMarkovModel,
    guide: SequenceGuide,
    x: Tensor,
    lengths: Tensor,
    num_particles: int,
    resample_below: float = 0.5,
) -> Tensor:
    """log Z_hat, with E[Z_hat] = p(x) for any guide and any number of particles.

    Step t extends each particle by z_t ~ q(z_t | z_{t-1}, x) and weights it by p(z_t | z_{t-1}) p(x_t | z_t) / q(z_t | z_{t-1}, x). If
    the effective sample size of a sequence falls below `resample_below` times `num_particles`, its particles are resampled in proportion
    to their weights (systematic resampling); otherwise they keep their weights. Z_hat is the product over steps of the mean incremental
    weight, weighted by the particles' weights before the step.

    Unbiased, but not always better than importance sampling. The target of the weights after step t is p(z_1..t | x_1..t), the filtering
    distribution. A guide that reads the future draws a z_t that fits x_{t+1}, ...; at step t its weight may be low, and resampling
    discards particles that gain weight at later steps. If the guide is the exact posterior, importance sampling is exact
    with one particle, and resampling adds noise.

    Doucet, Johansen 2011, "A Tutorial on Particle Filtering and Smoothing: Fifteen Years Later".

    Args:
        model: p(x, z).
        guide: q(z | x), from which the particles are drawn.
        x: Sequences [sequences, num_steps, *outcome].
        lengths: Time steps of each, int64 [sequences].
        num_particles: Particles per sequence.
        resample_below: Share of num_particles, from 0 to 1. 0: never resample, Z_hat is that of importance sampling; 1: at every step whose
            weights differ.

    Returns:
        log Z_hat in nats per sequence, float64 [sequences].

    Raises:
        ValueError: If an argument is something else, if num_particles is no integer of 1 or more, if resample_below is not in [0, 1], or
            if x and lengths do not fit the model.
    """
    check_sequence_arguments(model, guide, x, lengths)
    num_particles = check_integer(num_particles, "num_particles", "the particles of a sequence")
    if isinstance(resample_below, bool) or not isinstance(resample_below, Real) or not 0 <= resample_below <= 1:
        raise ValueError(
            f"Got resample_below={resample_below!r}; expected a share of the particles, from 0 to 1. Usually a number of particles."
        )
    steps = steps_of(x, lengths, model.emission.event_shape)
    packed = steps.pack(x)
    features = guide.features(packed, steps)
    z_model = model.initial.expand(steps.num_sequences, num_particles, -1)
    z_guide = guide.initial.expand(steps.num_sequences, num_particles, -1)
    log_uniform = -math.log(num_particles)
    # The weights of a sequence sum to 1. Sequences are in the order of decreasing length, as in `PackedSteps`.
    log_weight = packed.new_full((steps.num_sequences, num_particles), log_uniform, dtype=torch.float64)
    log_z = log_weight.new_zeros(steps.num_sequences)
    for x_t, features_t in zip(packed.split(steps.sizes), features.split(steps.sizes), strict=True):
        size = len(x_t)
        q = guide.step(features_t, z_guide[:size])
        drawn = draw(q, 1)
        log_q = q.log_prob(drawn).squeeze(0)  # of the tensor that was drawn, so that a flow need not be inverted
        z = drawn.squeeze(0)
        increment = model.transition(z_model[:size]).log_prob(z) + model.step_log_likelihood(x_t, z) - log_q
        log_weight = log_weight[:size] + increment.double()
        log_increment = log_weight.logsumexp(1)
        log_z[:size] += log_increment
        log_weight = log_weight - log_increment[:, None]
        effective_sample_size = (-(2 * log_weight).logsumexp(1)).exp()
        degenerate = effective_sample_size < resample_below * num_particles
        if bool(degenerate.any()):
            z = torch.where(degenerate[:, None, None], _resampled(z, log_weight), z)
            log_weight = torch.where(degenerate[:, None], log_uniform, log_weight)
        z_model = z_guide = z
    # Back to the order of x: the first rows are the first steps of all sequences.
    return torch.empty_like(log_z).index_copy_(0, steps.sequence[: steps.num_sequences], log_z)


def _resampled(z: Tensor, log_weight: Tensor) -> Tensor:
    """Systematic resampling: one uniform draw per sequence shifts a regular grid. z: [rows, particles, latent] → the same shape."""
    count = z.shape[1]
    edges = log_weight.exp().cumsum(1)
    offset = draw_uniform(torch.Size((len(z), 1)), log_weight)
    grid = (torch.arange(count, device=z.device) + offset) / count
    # The last edge is 1 up to rounding: scaled, so that the last grid point is inside.
    ancestors = torch.searchsorted(edges / edges[:, -1:], grid, right=True).clamp_max_(count - 1)
    return z.gather(1, ancestors[:, :, None].expand_as(z))
