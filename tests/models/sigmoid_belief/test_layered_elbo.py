"""One estimator a layer: the same target as `Elbo`, exact gradients, and scores by downstream costs alone."""

from __future__ import annotations

import itertools

import pytest
import torch

from helpers.distributions import BernoulliConditional, BernoulliPrior
from helpers.estimators import (
    Arm,
    DisArm,
    Enumeration,
    EveryOutcome,
    LearnedBaseline,
    LeaveOneOut,
    LocalEnumeration,
    ScoreFunction,
    Vimco,
    exact_moments_of,
    gauss_legendre,
)
from helpers.models import AmortizedGuide, Elbo, LatentVariableModel, LayeredElbo, sigmoid_belief_network
from helpers.networks import FeedForward

X = torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64)


def network(sizes: tuple[int, ...]):
    """(model, guide, all parameters), float64, far from symmetric."""
    torch.manual_seed(7)
    model, guide = sigmoid_belief_network(sizes, 3)
    parameters = [*model.double().parameters(), *guide.double().parameters()]
    for parameter in parameters:
        torch.nn.init.normal_(parameter)
    return model, guide, parameters


def bound_by_enumeration(model, guide, x: torch.Tensor) -> torch.Tensor:
    """sum_z q(z | x) (log p(x, z) - log q(z | x)), one z after the other: the ELBO, with its gradient."""
    q, bits = guide(x), model.prior.event_shape[0]
    total = 0.0
    for z in itertools.product((0.0, 1.0), repeat=bits):
        z = torch.tensor([z], dtype=torch.float64)
        log_q = q.log_prob(z)
        total = total + log_q.exp() * (model.log_joint(x, z) - log_q)
    return total


def relative_error(found, expected) -> float:
    found, expected = (torch.cat([part.flatten() for part in parts]) for parts in (found, expected))
    return ((found - expected).norm() / expected.norm()).item()


CASES = [
    ((3,), [ScoreFunction()], (1,)),
    ((3,), [DisArm()], (2,)),
    ((2, 1), [ScoreFunction(), ScoreFunction()], (1, 1)),
    ((2, 1), [LeaveOneOut(), ScoreFunction()], (2, 1)),
    ((2, 1), [DisArm(), LeaveOneOut()], (2, 2)),
    ((1, 2), [LocalEnumeration(), Enumeration()], None),
    ((1, 1), [Enumeration(), DisArm()], None),
    ((1, 2), [Arm(), LocalEnumeration()], None),
    ((1, 1, 1), [ScoreFunction(), LeaveOneOut(), DisArm()], (1, 2, 2)),
    ((2, 1, 2), [Enumeration(), Enumeration(), Enumeration()], None),
]


def noise_rule(guide, layers_with_pairs: list[int]):
    """One node in each interval on which antithetic bits are constant, whatever the layer below is: exact for the mean."""
    thresholds = []
    for level in layers_with_pairs:
        layer = guide.conditional.layers[level]
        inputs = X if level == 0 else torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * layer.input_shape[0])
        p = layer(inputs.reshape(-1, *layer.input_shape).double()).mean
        thresholds += [p.flatten(), 1 - p.flatten()]
    return gauss_legendre(1, torch.cat(thresholds)) if thresholds else None


def name_of(case) -> str:
    sizes, estimators, _ = case
    return f"{sizes}-" + "-".join(type(estimator).__name__ for estimator in estimators)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_mean_is_the_gradient_of_the_bound_for_every_parameter(case) -> None:
    sizes, estimators, num_samples = case
    model, guide, parameters = network(sizes)
    bound = bound_by_enumeration(model, guide, X)
    expected = torch.autograd.grad(bound.sum(), parameters)
    objective = LayeredElbo(model, guide, estimators, num_samples)
    pairs = [level for level, estimator in enumerate(estimators) if isinstance(estimator, Arm)]
    source = EveryOutcome(uniform=noise_rule(guide, pairs))
    moments = exact_moments_of(lambda: objective(X), parameters=parameters, stateful=(objective,), source=source)
    torch.testing.assert_close(moments.value, bound.detach(), rtol=1e-9, atol=0)
    assert relative_error(moments.mean, expected) < 1e-9
    if all(isinstance(estimator, Enumeration) for estimator in estimators):
        assert moments.total_variance < 1e-20


def test_terms_add_up_to_the_value_and_average_to_the_bound_s_parts() -> None:
    model, guide, _ = network((2, 2))
    objective = LayeredElbo(model, guide, [ScoreFunction(), ScoreFunction()], (3, 2))
    estimate = objective(X.expand(5, -1))
    assert estimate.value.shape == (5,) and set(estimate.terms) == {"distortion", "rate"}
    torch.testing.assert_close(estimate.value, -estimate.terms["distortion"] - estimate.terms["rate"])
    exact, flat = (
        LayeredElbo(model, guide, [Enumeration(), Enumeration()])(X),
        Elbo(model, guide, Enumeration())(X),
    )
    for name in ("distortion", "rate"):
        torch.testing.assert_close(exact.terms[name], flat.terms[name])


def test_the_upper_layer_is_not_scored_by_the_likelihood() -> None:
    """Make log p(x | h_1) huge: the flat estimator's noise for layer 2 grows with it, the layered one's not at all."""
    model, guide, _ = network((2, 2))
    upper = list(guide.conditional.layers[1].parameters())

    def variance(objective) -> float:
        return exact_moments_of(lambda: objective(X), parameters=upper, stateful=(objective,)).total_variance

    layered = LayeredElbo(model, guide, [ScoreFunction(), ScoreFunction()], (1, 1))
    flat = Elbo(model, guide, ScoreFunction(), 1)
    before = variance(layered), variance(flat)
    with torch.no_grad():
        model.likelihood.bottom.network.network[0].bias += torch.tensor([-50.0, 50.0, -50.0], dtype=torch.float64)
    after = variance(layered), variance(flat)
    assert after[0] == pytest.approx(before[0], rel=1e-9)
    assert after[1] > 100 * before[1] > 100 * before[0]


def test_baselines_look_at_the_layer_below() -> None:
    model, guide, _ = network((2, 3))
    seen = []

    class Spy(LearnedBaseline):
        def forward(self, reward, scored):
            seen.append(scored.context)
            return super().forward(reward, scored)

    estimators = [ScoreFunction(Spy(3, FeedForward(()))), ScoreFunction(Spy(2, FeedForward(())))]
    objective = LayeredElbo(model, guide, estimators, (4, 1)).double()
    estimate = objective(X.expand(5, -1))
    contexts = sorted(seen, key=lambda context: context.dim())
    assert torch.equal(contexts[0], X.expand(5, -1)) and contexts[1].shape == (4, 5, 2)
    estimate.auxiliary_loss.backward()
    assert all(p.grad is not None for estimator in objective.estimators for p in estimator.parameters())
    assert all(p.grad is None for p in [*model.parameters(), *guide.parameters()])


def test_what_does_not_fit_is_refused_with_the_remedy() -> None:
    model, guide, _ = network((2, 2))
    one = ScoreFunction()
    with pytest.raises(ValueError, match="2 layer.s. need as many"):
        LayeredElbo(model, guide, [one])
    with pytest.raises(ValueError, match="2 and 1 were given"):
        LayeredElbo(model, guide, [one, one], (1,))
    with pytest.raises(ValueError, match="Vimco.*Use `Elbo`"):
        LayeredElbo(model, guide, [Vimco(), one])
    with pytest.raises(ValueError, match=r"\(2, 2\) bits, and those of q \(3, 1\)"):
        LayeredElbo(model, network((3, 1))[1], [one, one])
    other = LatentVariableModel(BernoulliPrior(4), BernoulliConditional(4, 3, FeedForward(())))
    plain = AmortizedGuide(BernoulliConditional(3, 4, FeedForward(())))
    with pytest.raises(ValueError, match="`Elbo` takes any model"):
        LayeredElbo(other, plain, [one])
    with pytest.raises(ValueError, match="images alone"):
        LayeredElbo(model, guide, [one, one])((X, X))
    with pytest.raises(ValueError, match="DisArm needs independent bits.*nested, one estimator a layer"):
        Elbo(model, guide, DisArm(), 2)(X)
