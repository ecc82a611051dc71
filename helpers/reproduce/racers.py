"""Who races: every estimator that can be had at 200 bits, each with six evaluations of f per image and step (see `estimator_race`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from helpers.estimators import (
    Arm,
    CentredReward,
    ControlVariateChain,
    DisArm,
    GradientEstimator,
    GumbelSoftmax,
    LearnedBaseline,
    LeaveOneOut,
    LocalEnumeration,
    MuProp,
    Rebar,
    ResidualRelax,
    ScaledReward,
    ScoreFunction,
    SelfCritic,
    StraightThrough,
    Vimco,
)
from helpers.networks import FeedForward

BITS, IMAGE = 200, (1, 28, 28)
EVALUATIONS = 6  # 2, 3 and 6 divide it: pairs, REBAR's triples, one sample more


@dataclass(frozen=True)
class Racer:
    """An estimator in the race.

    Attributes:
        name: Of the row.
        label: For a legend.
        title: As code.
        build: Makes the estimator.
        unbiased: For its own target.
        evaluations: Of f, per image and step.
        target: In words.
    """

    name: str
    label: str
    title: str
    build: Callable[[], GradientEstimator]
    unbiased: bool = True
    evaluations: int = EVALUATIONS
    target: str = "elbo"


def _baseline() -> LearnedBaseline:
    return LearnedBaseline(IMAGE, FeedForward((100,), nn.Tanh))


def _learned_and_centred() -> ControlVariateChain:
    return ControlVariateChain(_baseline(), CentredReward())


def _nvil() -> ControlVariateChain:
    return ControlVariateChain(_baseline(), CentredReward(), ScaledReward())


def _residual_relax() -> ResidualRelax:
    return ResidualRelax(FeedForward((100,), nn.Tanh).build((BITS,), (1,)))


RACERS = (
    Racer("race-score-function", "score function", "ScoreFunction", ScoreFunction),
    Racer("race-centred", "centred reward", "ScoreFunction(CentredReward)", lambda: ScoreFunction(CentredReward())),
    Racer(
        "race-centred-scaled",
        "centred and scaled",
        "ScoreFunction(CentredReward, ScaledReward)",
        lambda: ScoreFunction(ControlVariateChain(CentredReward(), ScaledReward())),
        unbiased=False,
    ),
    Racer("race-self-critic", "self-critic", "ScoreFunction(SelfCritic)", lambda: ScoreFunction(SelfCritic())),
    Racer(
        "race-learned-baseline",
        "learned baseline",
        "ScoreFunction(LearnedBaseline)",
        lambda: ScoreFunction(_baseline()),
    ),
    Racer(
        "race-learned-centred",
        "learned baseline, centred",
        "ScoreFunction(LearnedBaseline, CentredReward)",
        lambda: ScoreFunction(_learned_and_centred()),
    ),
    Racer(
        "race-nvil",
        "NVIL: learned baseline, centred, scaled",
        "ScoreFunction(LearnedBaseline, CentredReward, ScaledReward)",
        lambda: ScoreFunction(_nvil()),
        unbiased=False,
    ),
    Racer("race-leave-one-out", "leave-one-out", "LeaveOneOut", LeaveOneOut),
    Racer("race-vimco", "VIMCO", "Vimco", Vimco, target=f"importance-weighted bound of {EVALUATIONS} samples"),
    Racer("race-arm", "ARM", "Arm", Arm),
    Racer("race-disarm", "DisARM", "DisArm", DisArm),
    Racer("race-muprop", "MuProp", "MuProp", MuProp),
    Racer("race-rebar", "REBAR", "Rebar", Rebar),
    Racer("race-relax", "RELAX on top of REBAR", "ResidualRelax", _residual_relax),
    Racer("race-local-enumeration", "local enumeration", "LocalEnumeration", LocalEnumeration, evaluations=1 + BITS),
    Racer("race-straight-through", "straight-through", "StraightThrough", StraightThrough, unbiased=False),
    Racer("race-gumbel-softmax", "Gumbel-softmax, temperature 1", "GumbelSoftmax", GumbelSoftmax, unbiased=False),
)
COMMON = "race-leave-one-out"  # its parameters are those at which all gradients are compared, so it runs first
