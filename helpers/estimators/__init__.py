"""Gradient estimators behind one door: `estimator(f, q, num_samples=S, context=x)` returns an `Estimate`."""

from helpers.estimators.base import Estimate, GradientEstimator, evaluate
from helpers.estimators.draws import DrawSource, draw, draw_reparameterised, draw_uniform, drawing_from
from helpers.estimators.enumeration import Enumeration
from helpers.estimators.multi_sample import ImportanceWeighted
from helpers.estimators.pathwise import Pathwise

__all__ = [
    "DrawSource",
    "Enumeration",
    "Estimate",
    "GradientEstimator",
    "ImportanceWeighted",
    "Pathwise",
    "draw",
    "draw_reparameterised",
    "draw_uniform",
    "drawing_from",
    "evaluate",
]
