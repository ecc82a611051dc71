"""Local expectation gradients: sum over the outcomes of one site at a time, with the others sampled."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import GradientEstimator, Integrand, NeedOfQ, evaluate, multiple_of_cost
from helpers.estimators.draws import draw
from helpers.estimators.estimate import Estimate
from helpers.estimators.parts.discrete import DiscreteVariables, discrete_variables, over_event


class LocalEnumeration(GradientEstimator):
    """Sum over the outcomes of each site in turn, given a sample of the others.

    grad_phi_i E_q[f] ~ mean_s sum_k grad q_i(k) f(z_s with site i at k).  Unbiased.

    It is the score function with site i's noise summed out given the rest (Rao-Blackwell): with one pivot no logit is noisier than in the
    score function with one sample, if f does not itself depend on q's parameters. With a single site it is `Enumeration`. Value and f's
    own parameters get the mean over sites of sum_k q_i(k) f and sum_k q_i(k) grad f.

    Needs D independent sites, bits (K = 2) or one-hot K-way categories. Each pivot sample z_s costs 1 + D (K - 1) evaluations of f:
    `num_samples` is a multiple of that. None: one pivot.
    Titsias, Lázaro-Gredilla 2015, "Local Expectation Gradients for Black Box Variational Inference".
    """

    label = "local enumeration"
    q_needs: NeedOfQ = "bits or categories"

    def resolve_num_samples(self, q: Distribution, num_samples: int | None) -> int:
        cost = _cost(discrete_variables(q, type(self).__name__), q)
        return multiple_of_cost(
            self, num_samples, cost, "here: once at the sample, and once for each other outcome of each site"
        )

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        sites = discrete_variables(q, type(self).__name__)
        cost = _cost(sites, q)
        pivot = draw(q, num_samples // cost)  # [pivots, *batch, *event]
        # [cost, pivots, *batch, *event], [cost, pivots, *batch]
        points, probability = _neighbours(pivot, sites, q)
        possible = over_event(probability.detach() != 0, q)
        points = torch.where(possible, points, pivot)  # f may be infinite at a neighbour of probability 0
        each = evaluate(f, points.flatten(0, 1), q)  # [cost pivots, *batch]
        probability = probability.flatten(0, 1)
        num_sites = q.event_shape.numel() // _width(sites)
        # The mean over cost and pivots is rescaled to a mean over sites and pivots.
        weight = probability.detach() * (cost / num_sites)
        averaged = each.reduce(lambda over_points: (weight * over_points).mean(0))
        return replace(averaged, surrogate=averaged.surrogate + (probability * each.value).mean(0) * cost)


def _width(sites: DiscreteVariables) -> int:
    """How many entries of z a site has."""
    return 1 if sites.binary else sites.logits.shape[-1]


def _cost(sites: DiscreteVariables, q: Distribution) -> int:
    """Evaluations of f per pivot: 1 + D (K - 1)."""
    entries, width = q.event_shape.numel(), _width(sites)
    return 1 + (entries if sites.binary else entries // width * (width - 1))


def _neighbours(pivot: Tensor, sites: DiscreteVariables, q: Distribution) -> tuple[Tensor, Tensor]:
    """The pivot and all points that differ from it in one site, each with the probability of that site's outcome.

    Every site has its own term for the pivot, so the pivot's weight is the sum over sites. Differentiable in q's logits.
    """
    width, event = _width(sites), q.event_shape.numel()
    batch = pivot.shape[: pivot.dim() - len(q.event_shape)]  # pivots, *batch
    flat = pivot.reshape(*batch, event // width, width)  # [pivots, *batch, sites, width]
    logits = sites.logits.reshape(*batch[1:], event // width, width)

    def probability(outcome: Tensor) -> Tensor:  # [..., sites, width] → [..., sites]
        if sites.binary:
            return (logits * (2 * outcome - 1)).sigmoid().squeeze(-1)
        return (logits.softmax(-1) * outcome).sum(-1)

    points, weights = [flat[None]], [probability(flat).sum(-1)[None]]
    chosen = torch.eye(event // width, dtype=torch.bool, device=pivot.device)  # [site that changes, sites]
    chosen = chosen.reshape(-1, *[1] * len(batch), event // width, 1)
    for shift in range(1, 2 if sites.binary else width):
        changed = 1 - flat if sites.binary else flat.roll(shift, -1)
        points.append(torch.where(chosen, changed, flat))  # [sites, pivots, *batch, sites, width]
        weights.append(probability(changed).movedim(-1, 0))
    return torch.cat(points).reshape(-1, *pivot.shape), torch.cat(weights)
