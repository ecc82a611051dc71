"""Mistakes at an estimator's door: each is a ValueError in a sentence that says what was given and what was expected.

And what is no mistake: NumPy's numbers, and calls under autocast, `no_grad` and `inference_mode`.
"""

from __future__ import annotations

import math
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal, OneHotCategorical

from helpers.distributions import BernoulliConditional
from helpers.estimators import (
    Arm,
    CentredReward,
    ComponentThenPoint,
    ControlVariateChain,
    DisArm,
    DoublyReparameterised,
    Enumeration,
    Estimate,
    GumbelSoftmax,
    ImportanceWeighted,
    LearnedBaseline,
    LeaveOneOut,
    LocalEnumeration,
    MuProp,
    Pathwise,
    Rebar,
    Relax,
    ResidualRelax,
    SampledCritic,
    ScaledReward,
    ScoreFunction,
    SelfCritic,
    StickingTheLanding,
    StraightThrough,
    Vimco,
)
from helpers.estimators.parts.doors import check_instance
from helpers.networks import FeedForward

Q = Independent(Normal(torch.zeros(3, 2), 1.0), 1)
BITS = Independent(Bernoulli(logits=torch.zeros(3, 2), validate_args=False), 1)


def total(z):
    return z.sum(-1)


def returns(what):
    return lambda: Pathwise()(lambda z: what, Q, 4)


def guide():
    return BernoulliConditional(2, 2, FeedForward(()))


SHAPE = torch.zeros(4, 3)

MISTAKES = {
    # what f returns
    "f returns a float": (returns(1.5), r"f returned a float; expected a tensor \[samples, \*batch\].*\.item\(\)"),
    "f returns an int": (returns(0), "f returned a int; expected a tensor"),
    "f returns None": (returns(None), "f returned a NoneType; expected a tensor.*no return statement"),
    "f returns a tuple": (returns((SHAPE, SHAPE)), "f returned a tuple.*terms"),
    "f returns a list": (returns([SHAPE]), "f returned a list.*Return one tensor"),
    "f returns a distribution": (returns(Normal(SHAPE, 1.0)), r"f returned a Normal.*\.log_prob\(x\) was forgotten"),
    "f returns an array": (returns(SHAPE.numpy()), "f returned a ndarray; expected a tensor"),
    "f returns a dict": (returns({"loss": SHAPE}), "f returned a dict"),
    "f returns a string": (returns("loss"), "f returned a str"),
    "f returns integers": (returns(SHAPE.long()), r"dtype torch.int64; expected real floating point.*\.float\(\)"),
    "f returns bools": (returns(SHAPE > 0), "dtype torch.bool; expected real floating point"),
    "f returns complex": (returns(SHAPE + 1j), "dtype torch.complex64; expected real floating point.*real number"),
    "f returns a scalar": (returns(torch.zeros(())), r"shape \(\).*\(4, 3\) was expected"),
    "f returns a wrong shape": (lambda: Pathwise()(lambda z: z, Q, 4), r"shape \(4, 3, 2\).*\(4, 3\) was expected"),
    # f and q
    "f and q swapped": (lambda: Pathwise()(Q, total), "distribution as f.*expected estimator.f, q., f first.*swapped"),
    "q a tensor": (lambda: Pathwise()(total, SHAPE), "q of type Tensor; expected a torch distribution.*samples or logits"),
    "q a conditional": (lambda: ScoreFunction()(total, guide()), "q of type BernoulliConditional.*q = guide.x."),
    "q a class": (lambda: ScoreFunction()(total, Normal), "q of type the class Normal.*call it with its parameters"),
    "q None": (lambda: Enumeration()(total, None), "q of type NoneType; expected a torch distribution"),
    "q an estimate": (lambda: Vimco()(total, Estimate.of(SHAPE)), "q of type Estimate; expected a torch distribution"),
    "f a tensor": (lambda: Pathwise()(SHAPE, Q), "f of type Tensor; expected a function z.*f.z. in place of f"),
    "f an estimate": (lambda: Pathwise()(Estimate.of(SHAPE), Q), "f of type Estimate; expected a function"),
    "f None": (lambda: Pathwise()(None, Q), "f of type NoneType; expected a function"),
    "f a class": (lambda: Pathwise()(FeedForward, Q), "f of type the class FeedForward; expected a function"),
    "context a list": (lambda: ScoreFunction()(total, Q, 2, [1.0]), "context of type list; expected a tensor"),
    "context an array": (lambda: ScoreFunction()(total, Q, 2, np.zeros(3)), "context of type ndarray; expected a tensor"),
    # numbers of samples
    "no samples": (lambda: Pathwise()(total, Q, 0), "num_samples.*1 or more; 0 was given"),
    "negative samples": (lambda: LeaveOneOut()(total, Q, -2), "num_samples.*-2 was given"),
    "samples a float": (lambda: Pathwise()(total, Q, 2.0), "num_samples must be an integer of 1 or more; 2.0 was given"),
    "samples NaN": (lambda: Pathwise()(total, Q, math.nan), "num_samples must be an integer.*nan was given"),
    "samples a tensor": (lambda: Vimco()(total, Q, torch.tensor(2)), r"num_samples must be an integer.*\.item\(\)"),
    "samples a bool": (lambda: Pathwise()(total, Q, True), "num_samples must be an integer.*True was given"),
    "samples a string": (lambda: Pathwise()(total, Q, "4"), "num_samples must be an integer.*'4' was given"),
    "samples a tuple": (lambda: Pathwise()(total, Q, (4,)), r"num_samples must be an integer.*\(4,\) was given"),
    # estimators and control variates as arguments
    "f given to the class": (lambda: Pathwise(total, Q), r"made with arguments, function, Independent.*Pathwise\(\)\(f, q\)"),
    "f given to a class with arguments": (lambda: ScoreFunction(total), r"ScoreFunction was given function; expected a control"),
    "a control variate's class": (lambda: ScoreFunction(CentredReward), r"class CentredReward.*CentredReward\(\) with paren"),
    "an estimator as control variate": (lambda: ScoreFunction(LeaveOneOut()), "given LeaveOneOut; expected a control variate"),
    "a class in a chain": (lambda: ControlVariateChain(CentredReward(), ScaledReward), "the class ScaledReward"),
    "a list in a chain": (lambda: ControlVariateChain([CentredReward()]), "given list; expected a control variate"),
    "a class within": (lambda: StickingTheLanding(Pathwise), "StickingTheLanding was given the class Pathwise.*parenthes"),
    "a class as component": (lambda: ComponentThenPoint(Enumeration), "given the class Enumeration; expected an estimator"),
    "a class as point": (lambda: ComponentThenPoint(None, Pathwise), "given the class Pathwise; expected an estimator"),
    "a function as point": (lambda: ComponentThenPoint(None, total), "given function; expected an estimator"),
    "no points": (lambda: ComponentThenPoint(point_samples=0), "point_samples must be an integer of 1 or more; 0 was given"),
    "half a point": (lambda: ComponentThenPoint(point_samples=0.5), "point_samples must be an integer.*0.5"),
    # settings
    "a cold temperature": (lambda: GumbelSoftmax(0.0), "temperature is above 0, and 0.0 was given"),
    "an infinite temperature": (lambda: GumbelSoftmax(math.inf), "temperature is above 0, and inf was given"),
    "a temperature of words": (lambda: Rebar("hot"), "temperature is above 0, and 'hot' was given"),
    "a temperature None": (lambda: Rebar(None), "temperature is above 0, and None was given"),
    "a strength of words": (lambda: Rebar(0.5, "strong"), "eta.*'strong' was given; expected a finite number"),
    "a strength NaN": (lambda: Rebar(0.5, math.nan), "eta.*nan was given; expected a finite number"),
    "a recipe to RELAX": (lambda: Relax(FeedForward((3,))), "Relax was given FeedForward; expected a network"),
    "a class to RELAX": (lambda: Relax(nn.Linear), "Relax was given the class Linear; expected a network"),
    "nothing to RELAX on REBAR": (lambda: ResidualRelax(None), "ResidualRelax was given NoneType; expected a network"),
    "a baseline of a class": (lambda: LearnedBaseline(2, FeedForward), "class FeedForward as its network; expected a recipe"),
    "a baseline of a function": (lambda: LearnedBaseline(2, total), "a function as its network; expected a recipe"),
    "a context shape of words": (lambda: LearnedBaseline("x", FeedForward(())), "must be an integer.*'x' was given"),
    "a weight of words": (lambda: CentredReward("0.1"), "weight='0.1' was given"),
    "a weight NaN": (lambda: ScaledReward(math.nan), "weight=nan was given"),
    "no context": (
        lambda: ScoreFunction(LearnedBaseline(2, FeedForward(())))(total, Q),
        "predicts the reward from a context, and none was given",
    ),
    # q of the wrong kind
    "a Gaussian summed": (lambda: Enumeration()(total, Q), "Normal cannot list its outcomes"),
    "a Gaussian paired": (lambda: Arm()(total, Q), "Arm needs independent bits.*Normal was given.*Pathwise"),
    "bits reparameterised": (lambda: Pathwise()(total, BITS), "Pathwise needs a distribution with differentiable samples"),
    "a flat f under straight-through": (
        lambda: StraightThrough()(lambda z: z.round().detach().sum(-1), Independent(Bernoulli(logits=LOGITS), 1)),
        "StraightThrough needs f differentiable in z",
    ),
}  # fmt: skip
LOGITS = torch.zeros(3, 2, requires_grad=True)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_refused_in_a_sentence(name):
    make, sentence = MISTAKES[name]
    with pytest.raises(ValueError, match=sentence) as caught:
        make()
    assert str(caught.value).rstrip()[-1] in ".)", "a sentence ends in a full stop, or with an example"


@pytest.mark.parametrize("number", [np.int64(4), np.int32(4), np.uint8(4)])
def test_numbers_of_numpy_are_numbers(number):
    assert Pathwise()(total, Q, number).value.shape == (3,)
    assert ComponentThenPoint(point_samples=number).point_samples == 4
    assert Arm()(total, BITS, number).value.shape == (3,)
    assert GumbelSoftmax(np.float64(0.5)).temperature == 0.5
    assert Rebar(np.float32(0.5), np.float64(1.0)).eta.item() == 1.0


def test_instances_pass_and_modules_may_be_f():
    check_instance(Pathwise(), Pathwise, "", "")
    net = nn.Sequential(nn.Linear(2, 1), nn.Flatten(-2))
    assert Pathwise()(net, Q, 4).value.shape == (3,)


EVERY = {
    "gaussian": [Pathwise(), StickingTheLanding(), ImportanceWeighted(), DoublyReparameterised(), LeaveOneOut(), Vimco()],
    "bits": [
        Arm(), DisArm(), MuProp(), Rebar(), LocalEnumeration(), Enumeration(), StraightThrough(), GumbelSoftmax(), LeaveOneOut(),
        Vimco(), Relax.with_defaults((2,)), ResidualRelax.with_defaults((2,)), ScoreFunction(SelfCritic()),
        ScoreFunction(SampledCritic()),
        ScoreFunction(ControlVariateChain(LearnedBaseline(2, FeedForward((3,))), CentredReward(), ScaledReward())),
    ],
    "categories": [
        MuProp(), LocalEnumeration(), Enumeration(), StraightThrough(), GumbelSoftmax(), LeaveOneOut(), Vimco(),
        ScoreFunction(SelfCritic()), ScoreFunction(SampledCritic()),
    ],
}  # fmt: skip


def distribution(kind, parameters):
    """Of [3, 2] parameters, in their dtype, that of autocast's networks too."""
    if kind == "gaussian":
        return Independent(Normal(parameters, parameters.exp(), validate_args=False), 1, validate_args=False)
    if kind == "bits":
        return Independent(Bernoulli(logits=parameters, validate_args=False), 1, validate_args=False)
    return OneHotCategorical(logits=parameters, validate_args=False)


CASES = [(kind, estimator) for kind, estimators in EVERY.items() for estimator in estimators]


def problem(kind, dtype=torch.float32):
    torch.manual_seed(0)
    encoder, decoder = nn.Linear(2, 2).to(dtype), nn.Linear(2, 1).to(dtype)
    x = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], dtype=dtype)

    def run(estimator):
        q = distribution(kind, encoder(x))
        return estimator(lambda z: decoder(z).squeeze(-1).float(), q, context=x)  # float32 beside the other dtype of z

    return run, [*encoder.parameters(), *decoder.parameters()]


def case_name(value) -> str:
    return value if isinstance(value, str) else getattr(value, "label", "")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("kind", "estimator"), CASES, ids=case_name)
def test_every_estimator_runs_forwards_and_backwards_under_autocast(kind, estimator, dtype):
    run, parameters = problem(kind)
    with torch.autocast("cpu", dtype=dtype):
        estimate = run(estimator)
        loss = (-estimate.surrogate).mean() + estimate.auxiliary_loss
    own = [parameter for parameter in estimator.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(loss, [*parameters, *own], allow_unused=True)
    assert all(part.isfinite().all() for part in gradients if part is not None)
    assert sum(part is not None for part in gradients) >= 3


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize(("kind", "estimator"), CASES, ids=case_name)
def test_every_estimator_has_a_value_without_gradients(kind, estimator, mode):
    run, _ = problem(kind)
    torch.manual_seed(1)
    with nullcontext():
        with_gradients = run(estimator).value
    torch.manual_seed(1)
    with mode():
        without = run(estimator)
    assert not without.surrogate.requires_grad
    assert without.value.shape == (3,)
    if kind != "gaussian":
        torch.testing.assert_close(without.value, with_gradients)  # the same outcomes


def test_a_q_made_in_inference_mode_has_a_value_outside():
    with torch.inference_mode():
        q = Independent(Bernoulli(logits=torch.zeros(3, 2), validate_args=False), 1)
    for estimator in (MuProp(), Rebar(), Relax.with_defaults((2,)), LeaveOneOut()):
        assert estimator(lambda z: z.square().sum(-1), q).value.shape == (3,)
