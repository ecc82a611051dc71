"""Who races: every estimator that can be had at 200 bits, each with six evaluations of f per image and step (see `estimator_race`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from helpers.estimators import (
    Arm,
    CentredReward,
    ControlVariate,
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
    """An estimator in the race. Its label and whether it is unbiased are the estimator's own.

    Attributes:
        name: Of the row.
        title: As code.
        build: Makes the estimator.
        own_label: For a legend, if the estimator's own label says too little.
        evaluations: Of f, per image and step.
        target: In words.
    """

    name: str
    title: str
    build: Callable[[], GradientEstimator]
    own_label: str | None = None
    evaluations: int = EVALUATIONS
    target: str = "elbo"

    @property
    def label(self) -> str:
        """For a legend."""
        return self.own_label or self.build().label

    @property
    def unbiased(self) -> bool:
        """Whether the mean of its gradient is that of its own target."""
        return self.build().unbiased


def _baseline() -> LearnedBaseline:
    return LearnedBaseline(IMAGE, FeedForward((100,), nn.Tanh))


def _scored(*control_variates: ControlVariate) -> ScoreFunction:
    return ScoreFunction(ControlVariateChain(*control_variates))


RACERS = (
    Racer("race-score-function", "ScoreFunction", ScoreFunction),
    Racer("race-centred", "ScoreFunction(CentredReward)", lambda: ScoreFunction(CentredReward())),
    Racer(
        "race-centred-scaled",
        "ScoreFunction(CentredReward, ScaledReward)",
        lambda: _scored(CentredReward(), ScaledReward()),
        "centred and scaled",
    ),
    Racer("race-self-critic", "ScoreFunction(SelfCritic)", lambda: ScoreFunction(SelfCritic())),
    Racer("race-learned-baseline", "ScoreFunction(LearnedBaseline)", lambda: ScoreFunction(_baseline())),
    Racer(
        "race-learned-centred",
        "ScoreFunction(LearnedBaseline, CentredReward)",
        lambda: _scored(_baseline(), CentredReward()),
        "learned baseline, centred",
    ),
    Racer(
        "race-nvil",
        "ScoreFunction(LearnedBaseline, CentredReward, ScaledReward)",
        lambda: _scored(_baseline(), CentredReward(), ScaledReward()),
        "NVIL: learned baseline, centred, scaled",
    ),
    Racer("race-leave-one-out", "LeaveOneOut", LeaveOneOut),
    Racer("race-vimco", "Vimco", Vimco, target=f"importance-weighted bound of {EVALUATIONS} samples"),
    Racer("race-arm", "Arm", Arm),
    Racer("race-disarm", "DisArm", DisArm),
    Racer("race-muprop", "MuProp", MuProp),
    Racer("race-rebar", "Rebar", Rebar),
    Racer("race-relax", "ResidualRelax", lambda: ResidualRelax.with_defaults((BITS,))),
    Racer("race-local-enumeration", "LocalEnumeration", LocalEnumeration, evaluations=1 + BITS),
    Racer("race-straight-through", "StraightThrough", StraightThrough),
    Racer("race-gumbel-softmax", "GumbelSoftmax", GumbelSoftmax, "Gumbel-softmax, temperature 1"),
)
COMMON = "race-leave-one-out"  # its parameters are those at which all gradients are compared, so it runs first
