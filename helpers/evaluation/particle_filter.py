"""The likelihood of a sequence by sequential Monte Carlo: particles that step forward together, and are resampled on the way."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from helpers.estimators.draws import draw, draw_uniform
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
    """log Z_hat, float64 [sequences], nats a sequence. E[Z_hat] = p(x) for any guide and any number of particles.

    Step t extends each particle by z_t ~ q(z_t | z_{t-1}, x) and weights it by p(z_t | z_{t-1}) p(x_t | z_t) / q(z_t | z_{t-1}, x). Where
    the effective number of particles of a sequence falls below `resample_below` times `num_particles`, all its particles are drawn anew
    in proportion to their weights (systematic resampling); otherwise they carry their weights on. Z_hat is the product over steps of the
    mean incremental weight, each particle counting with the weight that it carries.

    resample_below: 0 never resamples: Z_hat is then that of importance sampling; 1 resamples at every step.

    Unbiased, but not always better than importance sampling. The weights after step t aim at p(z_1..t | x_1..t), the filtering
    distribution. A guide that reads the future draws z_t where x_{t+1}, ... want it; up to step t that looks like a poor draw, and
    resampling throws away particles that later steps would have paid for. Of a guide that is the exact posterior importance sampling
    needs one particle, and resampling makes noise where there was none.

    x: [sequences, num_steps, *outcome], lengths: int64 [sequences].
    Doucet, Johansen 2011, "A Tutorial on Particle Filtering and Smoothing: Fifteen Years Later".
    """
    if num_particles < 1 or not 0 <= resample_below <= 1:
        raise ValueError(
            f"Got num_particles={num_particles} and resample_below={resample_below}; expected 1 particle or more, and a share from 0 to 1."
        )
    steps = steps_of(x, lengths, model.emission.event_shape)
    packed = steps.pack(x)
    features = guide.features(packed, steps)
    z_model = model.initial.expand(steps.num_sequences, num_particles, -1)
    z_guide = guide.initial.expand(steps.num_sequences, num_particles, -1)
    level = -math.log(num_particles)
    log_weight = packed.new_full((steps.num_sequences, num_particles), level, dtype=torch.float64)  # they sum to 1
    log_z = log_weight.new_zeros(steps.num_sequences)  # in the order of decreasing length, as all that is packed
    for x_t, now in zip(packed.split(steps.sizes), features.split(steps.sizes), strict=True):
        size = len(x_t)
        q = guide.step(now, z_guide[:size])
        drawn = draw(q, 1)
        log_q = q.log_prob(drawn).squeeze(0)  # of the very tensor drawn: a flow need not be inverted then
        z = drawn.squeeze(0)
        increment = model.transition(z_model[:size]).log_prob(z) + model.step_log_likelihood(x_t, z) - log_q
        log_weight = log_weight[:size] + increment.double()
        gain = log_weight.logsumexp(1)
        log_z[:size] += gain
        log_weight = log_weight - gain[:, None]
        effective = (-(2 * log_weight).logsumexp(1)).exp()
        poor = effective < resample_below * num_particles
        if bool(poor.any()):
            z = torch.where(poor[:, None, None], _resampled(z, log_weight), z)
            log_weight = torch.where(poor[:, None], level, log_weight)
        z_model = z_guide = z
    # back from the order of length: the first rows are the first steps of all sequences
    return torch.empty_like(log_z).index_copy_(0, steps.sequence[: steps.num_sequences], log_z)


def _resampled(z: Tensor, log_weight: Tensor) -> Tensor:
    """Systematic resampling: one number a sequence, and particles where the teeth of its comb fall. z: [rows, particles, latent]."""
    count = z.shape[1]
    edges = log_weight.exp().cumsum(1)
    offset = draw_uniform(torch.Size((len(z), 1)), log_weight)
    comb = (torch.arange(count, device=z.device) + offset) / count
    # The last edge is 1 but for rounding: scaled, so that the last tooth falls inside.
    ancestors = torch.searchsorted(edges / edges[:, -1:], comb, right=True).clamp_max_(count - 1)
    return z.gather(1, ancestors[:, :, None].expand_as(z))
