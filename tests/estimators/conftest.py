"""A score-function estimator with a learned baseline, and sources of draws that replay or refuse."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.estimators import DrawSource, Estimate, GradientEstimator, draw, evaluate


class ScoreWithBaseline(GradientEstimator):
    """grad E_q[f] ~ mean_s [grad f + (f - b(context)) grad log q(z_s)]: the smallest estimator that uses the whole contract."""

    def __init__(self, context_size: int = 1) -> None:
        super().__init__()
        self.baseline = nn.Linear(context_size, 1).double()

    def estimate(self, f, q, num_samples, context):
        z = draw(q, num_samples)
        inner = evaluate(f, z, q)
        baseline = self.baseline(context.detach()).squeeze(-1)
        reward = inner.value - baseline.detach()
        averaged = inner.mean(dim=0)
        return Estimate(
            averaged.value,
            averaged.surrogate + (reward * q.log_prob(z)).mean(0),
            averaged.terms,
            averaged.auxiliary_loss + ((inner.value - baseline) ** 2).mean(),
        )


class ReplayOutcomes(DrawSource):
    """Discrete draws: the listed values, one a sample, the same for every member of the batch."""

    def __init__(self, values: torch.Tensor) -> None:
        self.values = values

    def sample(self, q, num_samples):
        assert num_samples == len(self.values)
        return self.values.reshape(-1, *[1] * len(q.batch_shape), *q.event_shape).expand(
            -1, *q.batch_shape, *q.event_shape
        )


class GaussHermite(DrawSource):
    """Gaussian draws at quadrature nodes. An average over samples, times the number of samples and the node's weight, is exact.

    Scaling f by `weights` (which average to 1) makes a plain mean over samples the integral, for polynomials below degree 2n.
    """

    def __init__(self, nodes: int) -> None:
        import numpy

        x, w = numpy.polynomial.hermite_e.hermegauss(nodes)
        self.eps = torch.from_numpy(x)
        self.weights = torch.from_numpy(w / w.sum() * nodes)

    def rsample(self, q, num_samples):
        base = getattr(q, "base_dist", q)
        assert num_samples == len(self.eps)
        return base.loc + base.scale * self.eps.reshape(-1, *[1] * base.loc.dim())


class Refuses(DrawSource):
    """A source for tests in which nothing may be drawn."""

    def sample(self, q, num_samples):
        raise AssertionError("drawn: sample")

    def rsample(self, q, num_samples):
        raise AssertionError("drawn: rsample")

    def uniform(self, shape, like):
        raise AssertionError("drawn: uniform")


@pytest.fixture
def score_with_baseline() -> type[ScoreWithBaseline]:
    return ScoreWithBaseline


@pytest.fixture
def replay_outcomes() -> type[ReplayOutcomes]:
    return ReplayOutcomes


@pytest.fixture
def gauss_hermite() -> type[GaussHermite]:
    return GaussHermite


@pytest.fixture
def refuses() -> type[Refuses]:
    return Refuses
