"""Gradients of programs that branch on values, equal to the enumerated ones; and what Pyro 1.9's TraceGraph_ELBO makes of them."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import Trace_ELBO, TraceGraph_ELBO
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal

from helpers.estimators import (
    CentredReward,
    ControlVariateChain,
    Enumeration,
    LearnedBaseline,
    LeaveOneOut,
    LocalEnumeration,
    SampledCritic,
    ScoreFunction,
    SelfCritic,
)
from helpers.estimators.harness.exact import exact_moments_of
from helpers.experiments.pyro_gradient import mean_gradient
from helpers.experiments.two_languages import t
from helpers.networks import FeedForward
from helpers.programs import ProgramElbo, downstream_cost, every_cost, param, plate, sample
from helpers.programs.costs import Cost
from helpers.programs.rewards import Rest, first_changed

LOGITS, Y = t(0.3, -0.2, 0.5, 0.1), t(2.6)


def geometric_model(most):
    def model():
        n = 0
        while n < most and not sample(f"stop {n}", Bernoulli(t(0.5))).item():
            n += 1
        sample("y", Normal(t(n), t(1)), obs=Y)

    return model


def geometric_guide(most, **how):
    def guide():
        logits, n = param("logits", LOGITS[:most]), 0
        while n < most and not sample(f"stop {n}", Bernoulli(logits=logits[n]), **how).item():
            n += 1

    return guide


def objective_of(most, reward=downstream_cost, **how):
    return ProgramElbo(geometric_model(most), geometric_guide(most, **how), reward=reward).initialise(executions=40)


def enumerated(most) -> tuple[Tensor, Tensor]:
    """The bound and its gradient, by summing over all lengths."""
    logits = LOGITS[:most].clone().requires_grad_()
    stop, go = nn.functional.logsigmoid(logits), nn.functional.logsigmoid(-logits)
    log_q = torch.stack([go[:n].sum() + (stop[n] if n < most else 0) for n in range(most + 1)])
    trials = torch.tensor([min(n + 1, most) for n in range(most + 1)])
    log_p = trials * t(0.5).log() + Normal(torch.arange(most + 1.0, dtype=torch.float64), t(1)).log_prob(Y)
    bound = (log_q.exp() * (log_p - log_q)).sum()
    return bound.detach(), torch.autograd.grad(bound, logits)[0]


def moments(objective):
    parameters = objective.parameters_of_programs.unconstrained.values()
    return exact_moments_of(objective, parameters=parameters, stateful=(objective,))


ESTIMATORS = {
    "none named": (4, {}),
    "centred": (4, {"estimator": ScoreFunction(CentredReward())}),
    "two links": (4, {"estimator": ScoreFunction(ControlVariateChain(CentredReward(0.2), CentredReward(0.5)))}),
    "self-critic": (3, {"estimator": ScoreFunction(SelfCritic())}),
    "sampled critic": (2, {"estimator": ScoreFunction(SampledCritic())}),
    "leave-one-out": (2, {"estimator": LeaveOneOut(), "num_samples": 2}),
    "score function of two": (2, {"estimator": ScoreFunction(), "num_samples": 2}),
    "enumeration": (4, {"estimator": Enumeration()}),
    "local enumeration": (3, {"estimator": LocalEnumeration()}),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_gradient_of_a_branching_program_is_the_enumerated_one(name):
    most, how = ESTIMATORS[name]
    bound, gradient = enumerated(most)
    found = moments(objective_of(most, **how))
    assert found.value.item() == pytest.approx(bound.item(), abs=1e-12)
    torch.testing.assert_close(found.mean[0], gradient, rtol=0, atol=1e-10)
    assert (found.variance[0].max() < 1e-20) == (name in ("enumeration", "local enumeration"))


def test_a_learned_baseline_keeps_the_mean_and_is_trained():
    torch.manual_seed(0)
    variate = LearnedBaseline((1,), FeedForward((4,))).double()
    objective = objective_of(4, estimator=ScoreFunction(variate), context=t(1.0).reshape(1))
    assert set(variate.parameters()) <= set(objective.parameters())
    found = moments(objective)
    torch.testing.assert_close(found.mean[0], enumerated(4)[1], rtol=0, atol=1e-10)
    torch.manual_seed(1)
    loss = objective().auxiliary_loss
    assert all(gradient.abs().sum() > 0 for gradient in torch.autograd.grad(loss, variate.parameters()))


def test_costs_that_a_choice_cannot_change_are_no_part_of_its_reward():
    def model():
        w = sample("w", Bernoulli(t(0.5)))
        sample("loud", Normal(10 * w, t(1)), obs=t(3.0))
        z = sample("z", Bernoulli(t(0.5)))
        sample("quiet", Normal(z, t(1)), obs=t(0.3))

    def guide():
        logits = param("logits", t(0.3, -0.2))
        sample("w", Bernoulli(logits=logits[0]))
        sample("z", Bernoulli(logits=logits[1]))

    downstream = moments(ProgramElbo(model, guide).initialise())
    every = moments(ProgramElbo(model, guide, reward=every_cost).initialise())
    torch.testing.assert_close(downstream.mean[0], every.mean[0], rtol=0, atol=1e-12)
    assert downstream.variance[0][1] < every.variance[0][1] / 100


def backwards_model():
    z = sample("z", Bernoulli(t(0.3)))
    w = sample("w", Bernoulli(0.2 + 0.6 * z))
    sample("y", Normal(z - 2 * w, t(1)), obs=Y)


def backwards_guide():
    """Draws the later variable first, so the model's first term depends on the guide's first choice."""
    logits = param("logits", t(0.4, -0.3, 0.8))
    w = sample("w", Bernoulli(logits=logits[0]))
    sample("z", Bernoulli(logits=logits[1] + logits[2] * w))


def test_a_guide_in_another_order_than_the_model():
    logits = t(0.4, -0.3, 0.8).requires_grad_()
    total = 0.0
    for w in (t(0.0), t(1.0)):
        for z in (t(0.0), t(1.0)):
            log_q = Bernoulli(logits=logits[0]).log_prob(w) + Bernoulli(logits=logits[1] + logits[2] * w).log_prob(z)
            log_p = (
                Bernoulli(t(0.3)).log_prob(z)
                + Bernoulli(0.2 + 0.6 * z).log_prob(w)
                + Normal(z - 2 * w, t(1)).log_prob(Y)
            )
            total = total + log_q.exp() * (log_p - log_q)
    found = moments(ProgramElbo(backwards_model, backwards_guide).initialise())
    torch.testing.assert_close(found.mean[0], torch.autograd.grad(total, logits)[0], rtol=0, atol=1e-12)


def term(index):
    return Cost((), t(1.0), t(1.0), index)


def test_the_first_term_that_a_choice_changes():
    model = [term(-1), term(2), term(-1), term(0), term(-1)]
    assert [first_changed(model, index) for index in (0, 1, 2, 3)] == [1, 1, 1, 5]
    rest = Rest([term(0), term(1), term(2)], model, 0.0)
    assert [len(downstream_cost(rest, index)) for index in (0, 1, 2, 3)] == [3 + 4, 2 + 4, 1 + 4, 0]
    assert len(every_cost(rest, 3)) == 8


def pyro_model():
    n = 0
    while n < 4 and not pyro.sample(f"stop {n}", dist.Bernoulli(t(0.5))).item():
        n += 1
    pyro.sample("y", dist.Normal(t(n), t(1)), obs=Y)


def pyro_guide():
    logits, n = pyro.param("logits", LOGITS.clone()), 0
    while n < 4 and not pyro.sample(f"stop {n}", dist.Bernoulli(logits=logits[n])).item():
        n += 1


@pytest.mark.parametrize(("elbo", "unbiased"), [(Trace_ELBO, True), (TraceGraph_ELBO, False)])
def test_what_pyro_makes_of_it(elbo, unbiased):
    """Pyro 1.9's TraceGraph_ELBO counts a cost as downstream only if a tensor connects it to the choice; a branch on .item() cuts that."""
    gradient = mean_gradient(elbo(), pyro_model, pyro_guide, "logits", most=4)
    error = (gradient + enumerated(4)[1]).abs().max().item()  # Pyro's loss is minus the bound
    assert (error < 1e-12) == unbiased and (unbiased or error > 0.05)


def test_members_of_a_plate_are_rewarded_by_their_own_costs():
    x = t(0.5, -1.0)

    def model():
        w = sample("w", Normal(t(0), t(1)))
        with plate("data", 2):
            k = sample("k", Bernoulli(t(0.4)))
            sample("x", Normal(2 * k + w, t(1)), obs=x)

    def guide(**how):
        def run():
            sample("w", Normal(param("loc", t(0.2)), t(1e-3)), estimator=ScoreFunction())
            with plate("data", 2):
                sample("k", Bernoulli(logits=param("logits", t(0.3, -0.4))), **how)

        return run

    exact = ProgramElbo(model, guide(estimator=Enumeration())).initialise()
    torch.manual_seed(0)
    draws = [exact() for _ in range(3)]
    alone = [
        torch.autograd.grad(one.surrogate, exact.parameters_of_programs.unconstrained["logits"])[0] for one in draws
    ]
    # Given w, the enumerated gradient is exact: each member's own two outcomes.
    assert torch.stack(alone).std(0).max() < 0.05
    scored = ProgramElbo(model, guide()).initialise()
    torch.manual_seed(0)
    many = torch.stack(
        [
            torch.autograd.grad(scored().surrogate, scored.parameters_of_programs.unconstrained["logits"])[0]
            for _ in range(4000)
        ]
    )
    error = many.std(0) / 4000**0.5
    assert ((many.mean(0) - torch.stack(alone).mean(0)).abs() < 5 * error + 0.02).all()
