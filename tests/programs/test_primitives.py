"""The words of the language, in and outside of handlers, and what they refuse."""

from __future__ import annotations

import numpy
import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Categorical, Independent, Normal, constraints

from helpers.estimators import LeaveOneOut, Pathwise, ScoreFunction
from helpers.estimators.draws import DrawSource, drawing_from
from helpers.experiments.two_languages import t
from helpers.programs import Parameters, condition, enumerate_executions, factor, module, param, sample, seed, trace
from helpers.programs.primitives import Unit
from helpers.programs.site import Site, described, drawn

STANDARD = Normal(t(0), t(1))


def test_outside_of_handlers_a_program_just_draws():
    torch.manual_seed(0)
    value = sample("z", STANDARD)
    torch.manual_seed(0)
    assert value == STANDARD.rsample((1,))[0]
    assert sample("x", STANDARD, obs=t(5.0)) == 5
    assert param("loc", t(2.0)) == 2 and param("scale", lambda: t(3.0), constraints.positive) == 3
    network = nn.Linear(1, 1)
    assert module("net", network) is network
    assert factor("f", t(1.5)) == 1.5


def test_draws_go_through_the_replaceable_source():
    class Sevens(DrawSource):
        def rsample(self, q, num_samples):
            return torch.full((num_samples, *q.batch_shape), 7.0)

        def sample(self, q, num_samples):
            return torch.full((num_samples, *q.batch_shape), 8.0)

    with drawing_from(Sevens()):
        assert sample("z", STANDARD) == 7
        assert trace(lambda: sample("z", STANDARD)).get_trace()["z"].value == 7
        assert sample("z", Bernoulli(t(0.5))) == 8


@pytest.mark.parametrize(
    ("estimator", "differentiable"),
    [(None, True), (Pathwise(), True), (ScoreFunction(), False), (LeaveOneOut(), False)],
)
def test_a_site_that_is_scored_is_drawn_without_gradient(estimator, differentiable):
    loc = t(0.0).requires_grad_()
    assert drawn(Site("sample", "z", Normal(loc, t(1)), estimator=estimator)).requires_grad == differentiable


def test_a_factor_adds_to_the_log_joint():
    def program():
        k = sample("k", Categorical(t(0.5, 0.5)))
        factor("even", t(2.0) * k)

    found = enumerate_executions(program)()
    assert found.probabilities.tolist() == pytest.approx([1 / (1 + torch.e**2), torch.e**2 / (1 + torch.e**2)])
    recorded = trace(program).get_trace()
    assert recorded["even"].observed and recorded["even"].unscaled_log_prob == 2 * recorded["k"].value
    assert Unit(torch.zeros(3, 1)).expand(torch.Size([3, 2])).batch_shape == (3, 2)


def test_places_in_words():
    assert described(("/tmp/ipykernel_12/345.py", 3)) == "line 3 of a cell"
    assert described(("/home/me/model.py", 12)) == "line 12 of model.py"
    assert described(("C:\\me\\model.py", 1)) == "line 1 of model.py"
    recorded = trace(lambda: sample("z", STANDARD)).get_trace()
    assert recorded["z"].where.endswith("of test_primitives.py")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: sample(STANDARD, "z"),
            r"line \d+ of test_primitives.py.* the name Normal.*sample\(name, distribution\)",
        ),
        (lambda: sample("z", STANDARD.sample()), r"'z' .*was given a Tensor to draw from.*leave out .sample\(\)"),
        (lambda: sample("z", 3), "was given a int to draw from"),
        (lambda: sample("x", STANDARD, obs=5.0), r"'x' .*obs of type float; a tensor was expected: torch.as_tensor"),
        (lambda: sample("x", STANDARD, obs=numpy.zeros(3)), "obs of type ndarray"),
        (lambda: trace(lambda: sample("x", STANDARD, obs=[1.0])).get_trace(), "obs of type list"),
        (
            lambda: trace(lambda: sample("z", STANDARD, estimator=LeaveOneOut)).get_trace(),
            "names a type as its estimator; a GradientEstimator was expected",
        ),
        (lambda: factor("f", 1.0), "got a float; a tensor of nats"),
        (lambda: module("net", lambda x: x), "an nn.Module was expected"),
        (lambda: param("loc"), "no value yet and init=None"),
        (lambda: param("loc", 3.0), "init=3.0; a tensor was expected"),
        (lambda: param("scale", t(-1.0), constraints.positive), r"starts at \[-1.0\], outside of GreaterThan"),
    ],
)
def test_what_they_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_unknown_keywords():
    for keyword in ("observed", "infer", "obs_mask"):
        with pytest.raises(TypeError, match=keyword):
            sample("x", STANDARD, **{keyword: t(1.0)})


def test_an_observation_outside_of_the_support():
    def program():
        sample("x", Bernoulli(t(0.5)), obs=t(0.3))

    with pytest.raises(ValueError, match=r"Site 'x' \(line .*has the value 0.3, outside of the support of Bernoulli"):
        trace(program).get_trace().log_joint()


def test_an_observation_of_another_shape():
    def program():
        sample("x", Independent(Normal(torch.zeros(4), 1.0), 1), obs=torch.zeros(3))

    with pytest.raises(ValueError, match=r"shape \[3\]; \[\*batch, \*event\] = \[4\] was expected"):
        trace(program).get_trace().log_joint()


def test_an_exception_of_the_program_is_its_own():
    def program():
        sample("z", STANDARD)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        trace(condition(seed(program, 1), {"z": t(1.0)})).get_trace()
    assert sample("z", STANDARD).shape == ()  # no handler was left behind
    with Parameters().new(), pytest.raises(KeyError):
        program()
