"""Gradient estimators behind one door: `estimator(f, q, num_samples=S, context=x)` returns an `Estimate`."""

from helpers.estimators.arm import Arm, DisArm
from helpers.estimators.base import GradientEstimator, evaluate
from helpers.estimators.component_then_point import ComponentThenPoint
from helpers.estimators.control_variates import (
    CentredReward,
    ControlVariate,
    ControlVariateChain,
    LearnedBaseline,
    RewardContext,
    ScaledReward,
    SelfCritic,
)
from helpers.estimators.doubly_reparameterised import DoublyReparameterised
from helpers.estimators.draws import DrawSource, draw, draw_reparameterised, draw_uniform, drawing_from
from helpers.estimators.enumeration import Enumeration
from helpers.estimators.estimate import Estimate
from helpers.estimators.gumbel_softmax import GumbelSoftmax
from helpers.estimators.harness.every_outcome import EveryOutcome
from helpers.estimators.harness.exact import ExactGradient, exact_gradient, exact_moments, exact_moments_of
from helpers.estimators.harness.moments import Moments, SampledMoments, sampled_moments, sampled_moments_of
from helpers.estimators.harness.quadrature import for_logistic_noise, gauss_legendre
from helpers.estimators.importance_weighted import ImportanceWeighted
from helpers.estimators.leave_one_out import LeaveOneOut
from helpers.estimators.local_enumeration import LocalEnumeration
from helpers.estimators.muprop import MuProp
from helpers.estimators.pathwise import Pathwise
from helpers.estimators.rebar import Rebar
from helpers.estimators.reinmax import ReinMax
from helpers.estimators.relax import Relax, ResidualRelax
from helpers.estimators.sampled_critic import SampledCritic
from helpers.estimators.score_function import ScoreFunction
from helpers.estimators.sticking_the_landing import StickingTheLanding
from helpers.estimators.straight_through import StraightThrough
from helpers.estimators.vimco import Vimco

__all__ = [
    "Arm",
    "CentredReward",
    "ComponentThenPoint",
    "ControlVariate",
    "ControlVariateChain",
    "DisArm",
    "DoublyReparameterised",
    "DrawSource",
    "Enumeration",
    "Estimate",
    "EveryOutcome",
    "ExactGradient",
    "GradientEstimator",
    "GumbelSoftmax",
    "ImportanceWeighted",
    "LearnedBaseline",
    "LeaveOneOut",
    "LocalEnumeration",
    "Moments",
    "MuProp",
    "Pathwise",
    "Rebar",
    "ReinMax",
    "Relax",
    "ResidualRelax",
    "SampledCritic",
    "SampledMoments",
    "ScaledReward",
    "ScoreFunction",
    "RewardContext",
    "SelfCritic",
    "StickingTheLanding",
    "StraightThrough",
    "Vimco",
    "draw",
    "draw_reparameterised",
    "draw_uniform",
    "drawing_from",
    "evaluate",
    "exact_gradient",
    "exact_moments",
    "exact_moments_of",
    "for_logistic_noise",
    "gauss_legendre",
    "sampled_moments",
    "sampled_moments_of",
]
