"""The objective of two programs: estimators at sites, particles, training, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Categorical, Independent, Normal, constraints

from helpers.estimators import (
    CentredReward,
    DisArm,
    Enumeration,
    GumbelSoftmax,
    ImportanceWeighted,
    LearnedBaseline,
    LeaveOneOut,
    Pathwise,
    ScoreFunction,
    StickingTheLanding,
)
from helpers.estimators.harness.exact import exact_moments_of
from helpers.experiments.two_languages import t
from helpers.networks import FeedForward
from helpers.programs import ProgramElbo, module, param, plate, sample
from helpers.programs.bound import Execution
from helpers.programs.costs import Cost, averaged_to, cost_of_members, dims_of, members, shared_dims, summed_to, total
from helpers.programs.integrand import as_integrand
from helpers.programs.rewards import downstream_cost
from helpers.programs.site import Frame
from helpers.training import fit

X = t(0.5, -1.0, 2.0)
STANDARD = Normal(t(0), t(1))


def mixture():
    """Each datum has a label, drawn in a plate; all share one mean."""
    mean = sample("mean", STANDARD)
    with plate("data", 3):
        k = sample("k", Categorical(t(0.2, 0.3, 0.5)))
        sample("x", Normal(mean + k, t(1)), obs=X)


def mixture_guide(**how):
    def run():
        sample("mean", Normal(param("loc", t(0.2)), t(0.1)))
        with plate("data", 3):
            sample(
                "k",
                Categorical(logits=param("logits", t(0.1, 0.4, -0.2, 0.3, -0.1, 0.2, 0, 0.5, 0.1).reshape(3, 3))),
                **how,
            )

    return run


def exact_given(mean, logits):
    """The bound at one value of the shared mean, labels summed."""
    log_q = logits.log_softmax(-1)
    log_p = t(0.2, 0.3, 0.5).log() + Normal(mean + torch.arange(3.0, dtype=torch.float64), t(1)).log_prob(X[:, None])
    return (log_q.exp() * (log_p - log_q)).sum()


def test_enumeration_in_a_plate_is_the_closed_sum():
    objective = ProgramElbo(mixture, mixture_guide(estimator=Enumeration())).initialise()
    parameters = objective.parameters_of_programs.unconstrained
    for seed in range(3):
        torch.manual_seed(seed)
        estimate = objective()
        torch.manual_seed(seed)
        mean = Normal(parameters["loc"], t(0.1)).rsample((1,))[0]
        exact = (
            exact_given(mean, parameters["logits"])
            + STANDARD.log_prob(mean)
            - Normal(parameters["loc"], t(0.1)).log_prob(mean)
        )
        assert estimate.value.item() == pytest.approx(exact.item(), abs=1e-12)
        found, wanted = (torch.autograd.grad(one, list(parameters.values())) for one in (estimate.surrogate, exact))
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
        assert (estimate.terms["distortion"] + estimate.terms["rate"]).item() == pytest.approx(-estimate.value.item())


@pytest.mark.parametrize(
    ("estimator", "num_samples"),
    [
        (None, None),
        (LeaveOneOut(), 2),
        (ScoreFunction(CentredReward()), None),
        (ScoreFunction(), 2),
        (StickingTheLanding(), 1),
    ],
    ids=["none", "leave-one-out", "centred", "two samples", "sticking"],
)
def test_estimators_in_a_plate_are_unbiased(estimator, num_samples):
    """A loc of no spread in place of the shared mean, so that every draw can be listed: 27 outcomes, or their pairs."""
    sticking = isinstance(estimator, StickingTheLanding)

    def model():
        with plate("data", 2):
            k = sample("k", STANDARD if sticking else Bernoulli(t(0.3)))
            sample("x", Normal(k, t(1)), obs=X[:2])
        sample("all", Normal(k.sum(), t(1)), obs=t(1.5))  # a cost outside of the plate

    def guide():
        with plate("data", 2):
            logits = param("logits", t(0.4, -0.3))
            sample(
                "k",
                Normal(logits, t(0.7)) if sticking else Bernoulli(logits=logits),
                estimator=estimator,
                num_samples=num_samples,
            )

    objective = ProgramElbo(model, guide).initialise()
    logits = objective.parameters_of_programs.unconstrained["logits"]
    if sticking:
        torch.manual_seed(0)
        draws = torch.stack([torch.autograd.grad(objective().surrogate, logits)[0] for _ in range(4000)])
        loc = logits.detach()
        exact = -loc + (X[:2] - loc) + (1.5 - loc.sum())
        assert ((draws.mean(0) - exact).abs() < 5 * draws.std(0) / 4000**0.5).all()
        return
    total_ = 0.0
    for a in (0.0, 1.0):
        for b in (0.0, 1.0):
            k = t(a, b)
            log_q = Bernoulli(logits=logits).log_prob(k).sum()
            log_p = (
                Bernoulli(t(0.3)).log_prob(k).sum()
                + Normal(k, t(1)).log_prob(X[:2]).sum()
                + Normal(k.sum(), t(1)).log_prob(t(1.5))
            )
            total_ = total_ + log_q.exp() * (log_p - log_q)
    found = exact_moments_of(objective, parameters=[logits], stateful=(objective,))
    assert found.value.item() == pytest.approx(total_.item(), abs=1e-12)
    torch.testing.assert_close(found.mean[0], torch.autograd.grad(total_, logits)[0], rtol=0, atol=1e-10)


def test_enumeration_refuses_what_members_share():
    def model():
        with plate("data", 2):
            k = sample("k", Bernoulli(t(0.3)))
        sample("all", Normal(k.sum(), t(1)), obs=t(1.5))

    def guide():
        with plate("data", 2):
            sample("k", Bernoulli(t(0.4)), estimator=Enumeration())

    with pytest.raises(
        ValueError, match="Site 'k' .* names Enumeration.* a term outside of that plate depends on all of them"
    ):
        ProgramElbo(model, guide)()


def test_nested_levels_by_nested_estimators():
    def model():
        a = sample("a", Bernoulli(t(0.3)))
        z = sample("z", Bernoulli(0.2 + 0.5 * a))
        b = sample("b", Bernoulli(logits=z))
        sample("x", Normal(a + b + 2 * z, t(1)), obs=t(1.2))

    def guide():
        a = sample("a", Bernoulli(logits=param("a of", t(0.3))), estimator=LeaveOneOut(), num_samples=2)
        z = sample("z", Bernoulli(logits=param("z of", t(0.2)) + a))
        sample("b", Bernoulli(logits=param("b of", t(-0.2)) + z), estimator=Enumeration())

    def moments(objective):
        parameters = objective.parameters_of_programs.unconstrained.values()
        return exact_moments_of(objective, parameters=parameters, stateful=(objective,))

    nested = moments(ProgramElbo(model, guide).initialise())
    plain = moments(ProgramElbo(model, lambda: _without_estimators(guide)).initialise())
    assert nested.value.item() == pytest.approx(plain.value.item(), abs=1e-12)
    torch.testing.assert_close(torch.stack(nested.mean), torch.stack(plain.mean), rtol=0, atol=1e-12)
    # and less noisy where a choice is summed, or compared with another
    assert nested.variance[0] < plain.variance[0] / 2 and nested.variance[2] < plain.variance[2] / 2


def _without_estimators(guide):
    from helpers.programs.stack import Handler

    class Plain(Handler):
        def process(self, site):
            site.estimator = site.num_samples = None

    with Plain():
        return guide()


def test_particles_are_averaged():
    objective = ProgramElbo(mixture, mixture_guide(), num_particles=3).initialise()
    torch.manual_seed(0)
    three = objective()
    torch.manual_seed(0)
    one = ProgramElbo(mixture, mixture_guide())
    one.parameters_of_programs = objective.parameters_of_programs
    single = [one() for _ in range(3)]
    assert three.value.item() == pytest.approx(sum(each.value.item() for each in single) / 3)
    assert three.terms["rate"].item() == pytest.approx(sum(each.terms["rate"].item() for each in single) / 3)
    assert three.scored


def test_fit_trains_programs_and_their_networks():
    torch.manual_seed(0)
    network = nn.Linear(1, 2)

    def model(x):
        with plate("data", 40, subsample_size=len(x)):
            z = sample("z", Normal(torch.zeros(len(x)), 1.0))
            sample("x", Normal(2 * z + 1, 0.5), obs=x)

    def guide(x):
        encoder = module("encoder", network)
        loc, raw = encoder(x[:, None]).unbind(-1)
        with plate("data", 40, subsample_size=len(x)):
            sample(
                "z", Normal(loc, nn.functional.softplus(raw) + param("least", torch.tensor(0.01), constraints.positive))
            )

    z = torch.randn(40)
    x = 2 * z + 1 + 0.5 * torch.randn(40)
    objective = ProgramElbo(model, guide).initialise(x)
    history = fit(
        objective,
        [x[:20], x[20:]] * 20,
        epochs=8,
        optimizers=torch.optim.Adam(objective.parameters(), lr=0.05),
        progress=False,
    )
    exact = Normal(1.0, (4 + 0.25) ** 0.5).log_prob(x).sum().item()
    assert history.train["bound"][-1] > history.train["bound"][0]
    assert history.train["bound"][-1] == pytest.approx(exact, abs=3)
    assert history.train["bound"][-1] == pytest.approx(
        -history.train["distortion"][-1] - history.train["rate"][-1], rel=1e-5
    )


def test_a_pair_is_unpacked():
    def model(x, y):
        sample("x", STANDARD, obs=x)
        sample("y", STANDARD, obs=y)

    objective = ProgramElbo(model, lambda x, y: None)
    pair = t(1.0), t(2.0)
    assert objective(pair).value == objective(list(pair)).value == objective(*pair).value


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            {"estimator": ImportanceWeighted(), "num_samples": 2},
            "names ImportanceWeighted, whose target is 'log_mean_exp'",
        ),
        ({"estimator": Pathwise()}, "names Pathwise, and Categorical has no differentiable samples"),
        ({"estimator": DisArm()}, "Site 'k' .*names DisArm. "),
        ({"estimator": GumbelSoftmax()}, "Site 'k' .*names GumbelSoftmax. "),
        (
            {"estimator": LeaveOneOut(), "num_samples": 1},
            "names LeaveOneOut. LeaveOneOut compares each sample with the others",
        ),
        ({"estimator": Enumeration(), "num_samples": 2}, "names Enumeration. Enumeration evaluates f once per outcome"),
    ],
)
def test_an_estimator_that_cannot_be_used_there(how, message):
    objective = ProgramElbo(mixture, mixture_guide(**how)).initialise()
    with pytest.raises(ValueError, match=message):
        objective()


def test_a_stateful_estimator_is_made_once():
    def guide():
        sample(
            "z",
            Bernoulli(t(0.5)),
            estimator=ScoreFunction(LearnedBaseline((1,), FeedForward((3,)))),
            context=torch.zeros(1),
        )

    def model():
        sample("z", Bernoulli(t(0.5)))

    with pytest.raises(
        ValueError, match="with a state that this objective does not hold. Make it once, outside of the guide"
    ):
        ProgramElbo(model, guide).initialise()()


def test_batch_dimensions_without_a_plate():
    def model():
        sample("z", Normal(torch.zeros(4), 1.0))

    with pytest.raises(
        ValueError,
        match=r"Site 'z' .*shape \[4\], and no plate occupies dimension -1. Parts of one outcome: Independent",
    ):
        ProgramElbo(model, model)()

    def one_outcome():
        sample("z", Independent(Normal(torch.zeros(4), 1.0), 1))

    assert ProgramElbo(one_outcome, one_outcome)().value == 0


@pytest.mark.parametrize("what", [3, None, nn.Linear])
def test_no_programs(what):
    with pytest.raises(ValueError, match="a program was expected"):
        ProgramElbo(what, mixture)
    with pytest.raises(ValueError, match="num_particles"):
        ProgramElbo(mixture, mixture, num_particles=0)


def test_sums_over_plates():
    dims = dims_of((Frame("rows", 3, 3, -2), Frame("columns", 4, 4, -1), Frame("turn", 9, 9, None, 2)))
    assert dims == ((-1, 4), (-2, 3)) and members(dims) == 12
    term = torch.arange(12.0).reshape(3, 4)
    assert torch.equal(summed_to(((-1, 4),), term), term.sum(0)) and summed_to((), term) == 66
    assert torch.equal(summed_to(((-2, 3),), term), term.sum(1, keepdim=True))
    assert torch.equal(averaged_to(((-1, 4),), term), term.mean(0))
    costs = [Cost(dims, term, term), Cost((), torch.tensor(1.0), torch.tensor(1.0)), Cost(((-1, 4),), term[0], term[0])]
    assert torch.equal(cost_of_members(((-1, 4),), costs), term.sum(0) + 1 + term[0])
    assert shared_dims(dims, costs[2]) == ((-1, 4),) and total([term, torch.tensor(2.0)]) == 68 and total([]) == 0


def test_an_integrand_counts_what_members_share_once():
    shared, own = torch.tensor(6.0), torch.tensor([1.0, 2.0])
    dims, groups = ((-1, 2),), []
    estimate = as_integrand([[Cost((), shared, shared), Cost(dims, own, own)]], dims, torch.Size([2]), 0.0, groups)
    assert estimate.value.tolist() == [[7, 8]] and estimate.surrogate.sum() == 9 and groups == [(), dims]


def test_an_execution_given_a_prefix_has_the_terms_behind_it():
    def chain():
        z = sample("z", STANDARD)
        w = sample("w", Normal(z, t(1)))
        sample("x", Normal(w, t(1)), obs=t(0.3))

    def guide():
        z = sample("z", Normal(t(0.2), t(0.5)))
        sample("w", Normal(z, t(0.5)))

    execution = Execution(chain, guide, (), downstream_cost, set())
    whole = execution.rest({})
    assert [cost.guide_index for cost in whole.guide] == [0, 1] and [cost.guide_index for cost in whole.model] == [
        0,
        1,
        -1,
    ]
    behind = execution.rest({"z": t(1.0)})
    assert [cost.guide_index for cost in behind.guide] == [1]  # -log q of w alone; the model is whole
    assert behind.model[0].value == STANDARD.log_prob(t(1.0)) and behind.model[2].distortion == -behind.model[2].value
