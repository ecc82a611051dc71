"""A mixture's component enumerated or scored, its point reparameterised: exact means, and exact variances beside scoring everything."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import (
    Categorical,
    Exponential,
    Independent,
    MixtureSameFamily,
    Normal,
    OneHotCategorical,
)

from helpers.estimators import (
    CentredReward,
    ComponentThenPoint,
    DrawSource,
    Enumeration,
    Estimate,
    GumbelSoftmax,
    LearnedBaseline,
    LeaveOneOut,
    LocalEnumeration,
    Pathwise,
    ScoreFunction,
    SelfCritic,
    StickingTheLanding,
    StraightThrough,
    Vimco,
    drawing_from,
    exact_moments,
)
from helpers.networks import FeedForward
from tests.estimators.grid import Grid, grid_moments
from tests.estimators.problems import DOUBLE, assert_same

X = torch.tensor(1.3, dtype=DOUBLE)


def leaf(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=DOUBLE, requires_grad=True)


# theta: of f. The rest: of q, two components that overlap.
THETA, LOGITS, LOC, RAW = leaf(0.7, -0.4), leaf(0.4, -0.3), leaf(-0.6, 1.1), leaf(-0.5, -0.1)
PARAMETERS = [THETA, LOGITS, LOC, RAW]


def mixture(logits, loc, raw) -> MixtureSameFamily:
    """Parameters [..., components] → q with batch_shape [...], one number each."""
    return MixtureSameFamily(
        Categorical(logits=logits, validate_args=False), Normal(loc, raw.exp()), validate_args=False
    )


def log_joint(z, theta):
    """z ~ N(theta_0, 1), x | z ~ N(theta_1 z + z²/4, 1): a posterior that is no Gaussian."""
    slope, start = theta[..., 1], theta[..., 0]
    return Normal(start, 1.0).log_prob(z) + Normal(slope * z + z**2 / 4, 1.0).log_prob(X)


def log_weight_of(estimator, num_samples):
    """The whole mixture's log q(z) stands in f, as in `Elbo`."""

    def of(theta, logits, loc, raw):
        q = mixture(logits, loc, raw)
        return estimator(lambda z: log_joint(z, theta) - q.log_prob(z), q, num_samples)

    return of


def lattice(num_samples: int, points: int = 400):
    """Value and gradient of E[log mean_s exp f(z_s)] by a sum over a lattice of z: no draw, no component, no reparameterisation."""
    q = mixture(LOGITS, LOC, RAW)
    z = torch.linspace(-10, 11, points, dtype=DOUBLE)
    log_q = q.log_prob(z)
    tuples = torch.cartesian_prod(*[torch.arange(points)] * num_samples).reshape(-1, num_samples)
    mass = (log_q[tuples] + math.log(21 / (points - 1))).sum(1).exp()
    bound = (log_joint(z, THETA) - log_q)[tuples].logsumexp(1) - math.log(num_samples)
    value = (mass * bound).sum()
    return value.detach(), torch.autograd.grad(value, PARAMETERS)


class OneNoise(Grid):
    """The same Gaussian number for all draws: enough for a mean of terms that are added up, and no more."""

    def rsample(self, q, num_samples):
        return q.loc + q.scale * self.noise.expand(num_samples, *q.batch_shape)


def learned() -> ScoreFunction:
    torch.manual_seed(0)
    return ScoreFunction(LearnedBaseline(1, FeedForward((4,))).double())


COMPONENT = {
    "enumerated": (Enumeration, 2),
    "locally enumerated": (LocalEnumeration, 2),
    "scored": (ScoreFunction, 1),
    "scored, leave-one-out": (LeaveOneOut, 2),
    "scored, centred": (lambda: ScoreFunction(CentredReward()), 1),
    "scored, learned baseline": (learned, 1),
    "scored, self-critic": (lambda: ScoreFunction(SelfCritic()), 2),
}


@pytest.mark.parametrize(("name", "points"), [*((name, 1) for name in COMPONENT), ("enumerated", 2), ("scored", 2)])
def test_exact_mean_is_exact_gradient_where_quadrature_is_exact(name, points):
    """f = theta_0 z⁴ + theta_1 z: E[z⁴] = m⁴ + 6 m² s² + 3 s⁴ in each component. Every joint outcome of every draw is replayed."""
    build, looked_at = COMPONENT[name]
    square = (2 * RAW).exp()
    moment = THETA[0] * (LOC**4 + 6 * LOC**2 * square + 3 * square**2) + THETA[1] * LOC
    exact = (LOGITS.softmax(0) * moment).sum()
    estimator = ComponentThenPoint(build(), point_samples=points)
    ours = exact_moments(
        estimator,
        lambda z: THETA[0] * z**4 + THETA[1] * z,
        mixture(LOGITS, LOC, RAW),
        looked_at * points,
        parameters=PARAMETERS,
        context=torch.ones(1, dtype=DOUBLE),
        gaussian_nodes=5,
    )
    torch.testing.assert_close(ours.value, exact.detach(), rtol=1e-10, atol=0)
    assert_same(ours.mean, torch.autograd.grad(exact, PARAMETERS), 1e-9)
    assert ours.total_variance > 1e-3


def test_the_bound_with_the_whole_mixtures_log_q_by_quadrature():
    value, gradient = lattice(1)
    for build in (lambda: ComponentThenPoint(), lambda: StickingTheLanding(ComponentThenPoint())):
        ours = grid_moments(OneNoise(1, 120), PARAMETERS, log_weight_of(build(), 2))
        torch.testing.assert_close(ours.value, value, rtol=0, atol=1e-7)
        assert_same(ours.mean, gradient, 1e-6)
    ours = grid_moments(Grid(1, 120, 1, 2), PARAMETERS, log_weight_of(ComponentThenPoint(ScoreFunction()), 1), LOGITS)
    assert_same(ours.mean, gradient, 1e-6)


def test_two_samples_inside_the_logarithm_by_quadrature():
    value, gradient = lattice(2)
    estimator = ComponentThenPoint(Vimco())
    assert estimator.target == "log_mean_exp"
    ours = grid_moments(Grid(2, 80, 2, 2), PARAMETERS, log_weight_of(estimator, 2), LOGITS)
    torch.testing.assert_close(ours.value, value, rtol=0, atol=1e-6)
    assert_same(ours.mean, gradient, 1e-5)


def variances() -> dict[str, float]:
    """Exact total variance of each gradient, at two evaluations of f."""
    two_of_each = Grid(2, 40, 2, 2)
    estimators = {
        "all scored": (ScoreFunction(), two_of_each),
        "all scored, leave-one-out": (LeaveOneOut(), two_of_each),
        "component scored, point reparameterised": (ComponentThenPoint(ScoreFunction()), two_of_each),
        "component leave-one-out, point reparameterised": (ComponentThenPoint(LeaveOneOut()), two_of_each),
        "component enumerated, point reparameterised": (ComponentThenPoint(), Grid(2, 40)),
        "the same, sticking the landing": (StickingTheLanding(ComponentThenPoint()), Grid(2, 40)),
    }
    return {
        name: grid_moments(grid, PARAMETERS, log_weight_of(estimator, 2), LOGITS).total_variance
        for name, (estimator, grid) in estimators.items()
    }


def test_variance_is_below_scoring_everything_in_numbers():
    found = variances()
    everything, loo, reward_context, scored_loo, enumerated, _ = found.values()
    assert reward_context < everything / 2, found
    assert scored_loo < loo / 1.4, found
    assert enumerated < scored_loo / 1.5, found
    assert enumerated < loo / 2, found


def test_a_mixture_of_one_is_its_component():
    """Same noise, same value, same gradients as `Pathwise`; the only weight has nothing to learn."""
    torch.manual_seed(1)
    logits, loc, scale = torch.zeros(3, 1).requires_grad_(), torch.randn(3, 1, 2).requires_grad_(), torch.ones(3, 1, 2)
    point = Independent(Normal(loc, scale), 1)
    q = MixtureSameFamily(Categorical(logits=logits), point)
    single = Independent(Normal(loc[:, 0], scale[:, 0]), 1)
    results = []
    for estimator, distribution in ((ComponentThenPoint(point_samples=4), q), (Pathwise(), single)):
        torch.manual_seed(0)
        estimate = estimator(lambda z: (z**3).sum(-1), distribution, 4)
        results.append((estimate.value, torch.autograd.grad(estimate.surrogate.sum(), loc, retain_graph=True)[0]))
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain)
    torch.manual_seed(0)
    surrogate = ComponentThenPoint()(lambda z: (z**3).sum(-1), q).surrogate.sum()
    assert torch.autograd.grad(surrogate, logits)[0].abs().max() == 0


class FirstOnes(DrawSource):
    """The first components, one a sample; noise that a point gets by its place."""

    def sample(self, q, num_samples):
        return torch.eye(q.event_shape[0])[:num_samples]

    def rsample(self, q, num_samples):
        return (q.loc + q.scale * torch.tensor([0.3, 0.9, -7.0])[: len(q.loc)])[None]


@pytest.mark.parametrize("logit", [-200.0, -1e30, -math.inf])
@pytest.mark.parametrize("location", [0.0, 1e15])
@pytest.mark.parametrize("component", [Enumeration, ScoreFunction, LeaveOneOut])
def test_a_component_that_dies_leaves_the_others_right(component, logit, location):
    """Float32, its weight 0, its place harmless or far away: as if it were not there."""
    parameters = [
        torch.tensor(values, requires_grad=True)
        for values in ([0.2, -0.4, logit], [0.5, -1.0, location], [0.0, 0.3, 0.1])
    ]
    found = []
    for kept in (3, 2):
        q = mixture(*(parameter[:kept] for parameter in parameters))
        with drawing_from(FirstOnes()):
            estimate = ComponentThenPoint(component())(lambda z, q=q: -0.5 * z**2 - q.log_prob(z), q)
        gradients = torch.autograd.grad(estimate.surrogate, parameters)
        assert all(gradient[2] == 0 for gradient in gradients)
        found.append((estimate.value, *gradients))
    for with_it, without in zip(*found, strict=True):
        torch.testing.assert_close(with_it, without)


@pytest.mark.parametrize("scale", [1e-5, 1e15])
@pytest.mark.parametrize("component", [Enumeration, ScoreFunction])
def test_scales_that_vanish_or_explode_in_float32(component, scale):
    torch.manual_seed(0)
    logits, loc = torch.zeros(4, 2, requires_grad=True), torch.randn(4, 2, 3, requires_grad=True)
    spread = torch.ones(4, 2, 3)
    spread[:, 1] = scale
    spread.requires_grad_()
    q = MixtureSameFamily(Categorical(logits=logits), Independent(Normal(loc, spread), 1))
    estimate = ComponentThenPoint(component())(lambda z: -0.5 * (z**2).sum(-1) - q.log_prob(z), q)
    assert estimate.value.isfinite().all()
    for gradient in torch.autograd.grad(estimate.surrogate.sum(), [logits, loc, spread]):
        assert gradient.isfinite().all()


def test_with_the_exact_posterior_sticking_the_landing_has_no_noise():
    """A mixture prior and a Gaussian likelihood: p(z | x) is a mixture, f is log p(x) everywhere."""
    weight, place = torch.tensor([0.3, 0.7], dtype=DOUBLE), torch.tensor([-1.0, 1.5], dtype=DOUBLE)
    prior = MixtureSameFamily(Categorical(weight), Normal(place, torch.ones(2, dtype=DOUBLE)))
    at = [
        weight.log() + Normal(place, math.sqrt(2)).log_prob(X),
        (place + X) / 2,
        torch.full((2,), -0.5 * math.log(2), dtype=DOUBLE),
    ]

    def run(estimator):
        def of(logits, loc, raw):
            q = mixture(logits, loc, raw)
            return estimator(lambda z: prior.log_prob(z) + Normal(z, 1.0).log_prob(X) - q.log_prob(z), q)

        return of

    moments = grid_moments(Grid(2, 12), at, run(StickingTheLanding(ComponentThenPoint())))
    assert moments.value_variance < 1e-24
    assert moments.total_variance < 1e-24
    assert max(mean.abs().max().item() for mean in moments.mean) < 1e-12
    assert grid_moments(Grid(2, 12), at, run(ComponentThenPoint())).total_variance > 0.1


@pytest.mark.parametrize(("batch", "event"), [((), ()), ((5,), (2,)), ((2, 3), (2, 2))])
@pytest.mark.parametrize(
    ("component", "points", "num_samples", "expected"),
    [(Enumeration, 1, None, 3), (Enumeration, 2, 6, 6), (ScoreFunction, 2, 4, 4), (LeaveOneOut, 1, None, 2)],
)
def test_shapes_terms_and_the_number_of_evaluations(batch, event, component, points, num_samples, expected):
    torch.manual_seed(0)
    logits = torch.randn((*batch, 3), requires_grad=True)
    normal = Normal(torch.randn((*batch, 3, *event), requires_grad=True), 1.0)
    q = MixtureSameFamily(Categorical(logits=logits), Independent(normal, len(event)) if event else normal)
    seen = []

    def f(z):
        seen.append(z.shape)
        total = z.flatten(1 + len(batch)).sum(-1) if event else z
        return Estimate.of(2 * total, total=total)

    estimate = ComponentThenPoint(component(), point_samples=points)(f, q, num_samples)
    assert seen == [(expected, *batch, *event)]
    assert estimate.value.shape == estimate.surrogate.shape == batch
    torch.testing.assert_close(estimate.value, 2 * estimate.terms["total"])
    first = estimate.surrogate.flatten()[0]
    (gradient,) = torch.autograd.grad(first, normal.loc)
    if batch:  # no datum's gradient depends on another datum
        assert gradient.flatten(0, len(batch) - 1)[1:].abs().max() == 0


def test_refusals_name_an_estimator_that_fits():
    q = mixture(LOGITS, LOC, RAW)
    with pytest.raises(ValueError, match=r"needs a mixture \(MixtureSameFamily\), and Normal was given. Pathwise"):
        ComponentThenPoint()(lambda z: z, Normal(0.0, 1.0))
    with pytest.raises(ValueError, match="OneHotCategorical was given. ScoreFunction and LeaveOneOut"):
        ComponentThenPoint()(lambda z: z.sum(-1), OneHotCategorical(torch.ones(3)))
    with pytest.raises(ValueError, match="point_samples.*1 or more; 0 was given"):
        ComponentThenPoint(point_samples=0)
    with pytest.raises(ValueError, match="positive multiple of 2; 3 was given"):
        ComponentThenPoint(ScoreFunction(), point_samples=2)(lambda z: z, q, 3)
    with pytest.raises(ValueError, match="once per outcome, here 2 times, and num_samples=3"):
        ComponentThenPoint()(lambda z: z, q, 3)
    for component in (GumbelSoftmax(), StraightThrough()):
        with pytest.raises(ValueError, match=f"{type(component).__name__} moves the component.*Enumeration sums"):
            ComponentThenPoint(component)(lambda z: z, q)
    waiting = MixtureSameFamily(Categorical(torch.ones(2)), Exponential(torch.ones(2)))
    with pytest.raises(ValueError, match="location and scale, and Exponential has rate. ScoreFunction"):
        ComponentThenPoint()(lambda z: z, waiting)
    with pytest.raises(ValueError, match="MixtureSameFamily has none. If it is a mixture, use ComponentThenPoint"):
        Pathwise()(lambda z: z, q)
