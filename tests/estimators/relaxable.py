"""Problems whose f is defined between the outcomes, with other shapes of q, and quadrature over all noise in one call."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Independent, OneHotCategorical

from helpers.estimators import DrawSource, GradientEstimator, drawing_from
from helpers.estimators.harness.quadrature import for_logistic_noise
from tests.estimators.problems import DOUBLE, Problem, leaf


def relaxable_bits(number: int, batch: tuple[int, ...] = (), seed: int = 0) -> Problem:
    """The log weight of a sigmoid belief network, none of whose distributions check their argument."""
    prior, weight, bias = leaf(number, seed=seed), leaf(number, 3, seed=seed + 1), leaf(3, seed=seed + 2)
    encoder, offset = leaf(3, number, seed=seed + 3, scale=0.5), leaf(number, seed=seed + 4, scale=0.5)
    x = torch.randint(2, (*batch, 3), generator=torch.Generator().manual_seed(seed + 5)).to(DOUBLE)
    x[..., 0] = 1.0
    q = Independent(Bernoulli(logits=x @ encoder + offset, validate_args=False), 1)

    def log_weight(z: Tensor) -> Tensor:
        given_z = Bernoulli(logits=z @ weight + bias, validate_args=False)
        prior_bits = Bernoulli(logits=prior, validate_args=False)
        return prior_bits.log_prob(z).sum(-1) + given_z.log_prob(x).sum(-1) - q.log_prob(z)

    return Problem(log_weight, q, [prior, weight, bias], [encoder, offset], x)


def smooth_on_logits(q_logits: Tensor, seed: int = 0) -> Problem:
    """f = theta · sin(A z), independent of q, smooth on all of space; q's logits are themselves the parameters."""
    number = q_logits.shape[-1]
    theta, mix = leaf(4, seed=seed), leaf(number, 4, seed=seed + 1)
    q = Independent(Bernoulli(logits=q_logits, validate_args=False), 1)
    return Problem(lambda z: (1 + z @ mix).sin() @ theta, q, [theta, mix], [q_logits], torch.ones(3, dtype=DOUBLE))


def categories(shape: tuple[int, ...], seed: int = 0) -> Problem:
    """One-hot sites of event shape `shape`, and an f of all of them together that is independent of q."""
    logits, theta, mix = leaf(*shape, seed=seed), leaf(4, seed=seed + 1), leaf(*shape, 4, seed=seed + 2)
    q = Independent(OneHotCategorical(logits=logits, validate_args=False), len(shape) - 1)

    def f(z: Tensor) -> Tensor:
        return (1 + torch.tensordot(z, mix, len(shape))).sin() @ theta

    return Problem(f, q, [theta, mix], [logits], torch.ones(3, dtype=DOUBLE))


def thresholds(problem: Problem) -> Tensor:
    """Where antithetic bits jump: [2, *event]."""
    p = problem.q.mean.detach()
    return torch.stack([p, 1 - p])


class AllAtOnce(DrawSource):
    """Every outcome of a problem's bits by every node of two uniform draws: one long batch, and its weights.

    Only for estimators in which no datum depends on another, and with one sample.
    """

    def __init__(self, problem: Problem, nodes: int) -> None:
        number = problem.q.event_shape.numel()
        u, w = for_logistic_noise(nodes)(torch.Size(()))
        places = torch.cartesian_prod(*[torch.arange(2)] * number, *[torch.arange(nodes)] * (2 * number))
        self.bits = places[:, :number].to(DOUBLE)
        self.noise = [u[places[:, number : 2 * number]], u[places[:, 2 * number :]]]
        with torch.no_grad():
            self.weights = problem.q.log_prob(self.bits).exp() * w[places[:, number:]].prod(-1)
        self._next = iter(self.noise)

    def sample(self, q, num_samples):
        return self.bits[None]

    def uniform(self, shape, like):
        return next(self._next)[None].reshape(shape)


def mean_by_quadrature(
    estimator: GradientEstimator, problem: Problem, num_samples: int, nodes: int
) -> tuple[Tensor, ...]:
    """Exact mean of the gradient over bits and continuous noise, for a problem without batch."""
    source = AllAtOnce(problem, nodes)
    assert abs(source.weights.sum().item() - 1) < 1e-12
    with drawing_from(source):
        estimate = estimator(problem.f, problem.q.expand(source.weights.shape), num_samples)
    return torch.autograd.grad((source.weights * estimate.surrogate).sum(), problem.parameters, retain_graph=True)
