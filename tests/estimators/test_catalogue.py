"""The catalogue: complete, with labels of their own, and attributes that agree with what the estimators do."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    Normal,
    OneHotCategorical,
)

from helpers import estimators
from helpers.estimators import (
    CentredReward,
    ComponentThenPoint,
    ControlVariate,
    ControlVariateChain,
    GradientEstimator,
    ScaledReward,
    ScoreFunction,
    SelfCritic,
    StickingTheLanding,
    StraightThrough,
    Vimco,
    exact_gradient,
    gauss_legendre,
)
from helpers.estimators.arm import Arm
from helpers.estimators.catalogue import CONTROL_VARIATES, ESTIMATORS, affordable_num_samples, fits
from helpers.estimators.harness.quadrature import for_logistic_noise
from helpers.estimators.parts.conditional_reparameterisation import ConditionalReparameterisation
from tests.estimators.problems import bias, moments
from tests.estimators.relaxable import mean_by_quadrature, relaxable_bits, thresholds

LOGITS = torch.tensor([0.3, -0.4], requires_grad=True)
DISTRIBUTIONS: dict[str, Distribution] = {
    "bits": Independent(Bernoulli(logits=LOGITS, validate_args=False), 1),
    "one bit": Bernoulli(logits=LOGITS[0], validate_args=False),
    "one-hot": OneHotCategorical(logits=LOGITS, validate_args=False),
    "index": Categorical(logits=LOGITS),
    "Gaussian": Independent(Normal(LOGITS, 1.0), 1),
    "mixture": MixtureSameFamily(Categorical(logits=torch.zeros(2)), Normal(LOGITS, 1.0)),
}


def built(label: str, q: Distribution) -> GradientEstimator:
    torch.manual_seed(0)
    return ESTIMATORS[label].with_defaults(tuple(q.event_shape))


def square(q: Distribution, z: torch.Tensor) -> torch.Tensor:
    return ((z - 0.3) ** 2).sum(-1) if q.event_shape else (z - 0.3) ** 2


@pytest.mark.parametrize(("base", "catalogue"), [(GradientEstimator, ESTIMATORS), (ControlVariate, CONTROL_VARIATES)])
def test_every_exported_class_is_in_it_under_a_label_of_its_own(base, catalogue):
    exported = {
        value
        for name in estimators.__all__
        if inspect.isclass(value := getattr(estimators, name)) and issubclass(value, base) and value is not base
    }
    assert set(catalogue.values()) == exported  # an inherited label would hide a class
    assert all("label" in vars(cls) for cls in exported)


def test_no_label_names_both_an_estimator_and_a_control_variate():
    assert not set(ESTIMATORS) & set(CONTROL_VARIATES)


@pytest.mark.parametrize("label", [label for label in ESTIMATORS if fits(ESTIMATORS[label], DISTRIBUTIONS["bits"])])
def test_unbiased_is_what_exact_moments_say_on_two_bits(label):
    problem = relaxable_bits(2, seed=50)
    estimator = built(label, problem.q).double()
    num_samples = estimator.resolve_num_samples(problem.q, None)
    exact = exact_gradient(problem.f, problem.q, estimator.target, num_samples, parameters=problem.parameters).gradient
    if isinstance(estimator, ConditionalReparameterisation):  # two uniform draws: all nodes in one batch
        mean = mean_by_quadrature(estimator, problem, num_samples, nodes=8)
    else:
        antithetic = isinstance(estimator, Arm)
        uniform = gauss_legendre(2, thresholds(problem)) if antithetic else for_logistic_noise(16)
        mean = moments(estimator, problem, num_samples, uniform=uniform).mean
    found = bias(mean, exact)
    assert found < 1e-3 if estimator.unbiased else found > 5e-3, f"relative bias {found:.2g}"


@pytest.mark.parametrize("label", ESTIMATORS)
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_it_fits_what_it_accepts(label, name):
    q = DISTRIBUTIONS[name]
    estimator = built(label, q)
    assert fits(estimator, q) == fits(type(estimator), q)
    if fits(estimator, q):
        estimator(lambda z: square(q, z), q)
    else:
        with pytest.raises(ValueError):
            estimator(lambda z: square(q, z), q)


@pytest.mark.parametrize("label", ESTIMATORS)
def test_f_is_evaluated_as_f_needs_says(label):
    q = next(q for q in DISTRIBUTIONS.values() if fits(ESTIMATORS[label], q))
    between, derivative = [], []

    def f(z: torch.Tensor) -> torch.Tensor:
        between.append(not q.has_rsample and fits(StraightThrough, q) and not bool(((z == 0) | (z == 1)).all()))
        derivative.append(z.requires_grad)
        return square(q, z)

    estimator = built(label, q)
    estimator(f, q)
    found = "relaxation" if any(between) else "derivative" if any(derivative) else "value"
    assert found == estimator.f_needs == ESTIMATORS[label].f_needs


def test_attributes_of_what_is_composed_follow_the_parts():
    chain = ControlVariateChain(CentredReward(), ScaledReward())
    assert (ScoreFunction().label, ScoreFunction().unbiased) == ("score function", True)
    assert (ScoreFunction(SelfCritic()).label, ScoreFunction(SelfCritic()).unbiased) == ("self-critic", True)
    assert (ScoreFunction(chain).label, ScoreFunction(chain).unbiased) == ("centred reward, scaled reward", False)
    assert not ComponentThenPoint(ScoreFunction(ScaledReward())).unbiased
    assert ComponentThenPoint(point=ScoreFunction()).f_needs == "value"
    assert ComponentThenPoint(Vimco()).target == "log_mean_exp"
    landing = StickingTheLanding(ComponentThenPoint(ScoreFunction(ScaledReward())))
    assert (landing.unbiased, landing.q_needs, landing.f_needs) == (False, "mixture", "derivative")


@pytest.mark.parametrize(
    ("label", "budgets"),
    {
        "score function": {1: 1, 7: 7},
        "leave-one-out": {1: None, 2: 2, 7: 7},
        "DisARM": {1: None, 7: 6},
        "MuProp": {1: None, 7: 7},
        "REBAR": {2: None, 7: 6},
        "local enumeration": {2: None, 3: 3, 8: 6},  # two bits: 1 + 2 evaluations a pivot
        "enumeration": {3: None, 4: 4, 7: 4},
    }.items(),
)
def test_the_affordable_number_of_samples_is_the_largest_that_the_estimator_accepts(label, budgets):
    q = DISTRIBUTIONS["bits"]
    estimator = built(label, q)
    assert {budget: affordable_num_samples(estimator, q, budget) for budget in budgets} == budgets
    assert affordable_num_samples(ScoreFunction(SelfCritic()), q, 1) is None


def test_an_affordable_number_of_samples_needs_a_distribution_that_fits():
    with pytest.raises(ValueError, match="cannot list its outcomes"):
        affordable_num_samples(built("enumeration", DISTRIBUTIONS["Gaussian"]), DISTRIBUTIONS["Gaussian"], 7)
