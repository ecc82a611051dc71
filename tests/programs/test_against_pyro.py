"""Value and gradient of eight programs, equal to Pyro's on the same draws."""

from __future__ import annotations

import pyro
import pytest
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO

from helpers.experiments.two_languages import OURS, PROGRAMS, PYRO, X, t
from helpers.programs import ProgramElbo, condition, every_cost, replay, trace

SEEDS = range(5)


def pyro_loss_and_gradients(model, guide, seed):
    pyro.clear_param_store()
    torch.manual_seed(seed)
    loss = Trace_ELBO().differentiable_loss(model, guide)
    loss.backward()
    return loss.item(), {name: value.grad for name, value in pyro.get_param_store()._params.items()}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_value_and_gradient_are_those_of_trace_elbo(program, seed):
    loss, gradients = pyro_loss_and_gradients(*program(PYRO), seed)
    objective = ProgramElbo(*program(OURS), reward=every_cost).initialise(executions=30)
    torch.manual_seed(seed)
    estimate = objective()
    (-estimate.surrogate).backward()
    ours = {name: value.grad for name, value in objective.parameters_of_programs.unconstrained.items()}
    assert estimate.value.item() == pytest.approx(-loss, abs=1e-12 * max(1, abs(loss)))
    assert (estimate.terms["distortion"] + estimate.terms["rate"]).item() == pytest.approx(loss, abs=1e-10)
    assert set(gradients) == set(ours) and gradients
    for name, wanted in gradients.items():
        if wanted is None:  # a parameter that this execution does not reach
            assert ours[name] is None
            continue
        torch.testing.assert_close(ours[name], wanted, rtol=1e-12, atol=1e-12 * (1 + abs(loss)), msg=name)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_traces_and_replays_have_pyros_log_joint(program, seed):
    (model, guide), (theirs, their_guide) = program(OURS), program(PYRO)
    torch.manual_seed(seed)
    own = trace(guide).get_trace()
    replayed = trace(replay(model, own)).get_trace()
    pyro.clear_param_store()
    torch.manual_seed(seed)
    guide_trace = poutine.trace(their_guide).get_trace()
    model_trace = poutine.trace(poutine.replay(theirs, trace=guide_trace)).get_trace()
    for mine, wanted in ((own, guide_trace), (replayed, model_trace)):
        assert mine.log_joint().item() == pytest.approx(wanted.log_prob_sum().item(), rel=1e-12)
        assert [site.name for site in mine.random] == [
            name
            for name, site in wanted.nodes.items()
            if site["type"] == "sample" and not isinstance(site["fn"], _Plate)
        ]


_Plate = pyro.poutine.subsample_messenger._Subsample


def test_random_lengths_agree_over_300_seeds():
    model, guide = PROGRAMS[5](OURS)
    theirs, their_guide = PROGRAMS[5](PYRO)
    objective = ProgramElbo(model, guide).initialise(executions=30)
    lengths = set()
    for seed in range(300):
        torch.manual_seed(seed)
        value = objective().value.item()
        pyro.clear_param_store()
        torch.manual_seed(seed)
        assert value == pytest.approx(-Trace_ELBO().loss(theirs, their_guide), abs=1e-12)
        torch.manual_seed(seed)
        lengths.add(len(trace(guide).get_trace()))
    assert len(lengths) > 5


def test_conditioning_is_observing():
    def model(L):
        z = L.sample("z", L.of.Normal(t(0), t(1)))
        with L.plate("data", 6):
            L.sample("x", L.of.Normal(z, t(1)))

    torch.manual_seed(1)
    ours = trace(condition(model, {"x": X})).get_trace(OURS)
    torch.manual_seed(1)
    theirs = poutine.trace(poutine.condition(model, {"x": X})).get_trace(PYRO)
    assert ours.log_joint().item() == pytest.approx(theirs.log_prob_sum().item(), rel=1e-12)
    assert ours["x"].observed and not ours["z"].observed
