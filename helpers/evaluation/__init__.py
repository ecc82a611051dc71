"""How good a model is over a whole data set: bounds, likelihoods, accuracy, active units."""

from helpers.evaluation.bound import BoundEvaluation, evaluate_bound
from helpers.evaluation.classification import accuracy
from helpers.evaluation.measured import Measured
from helpers.evaluation.mixture_components import component_use
from helpers.evaluation.particle_filter import particle_log_marginal
from helpers.evaluation.sequences import PerStep, SequenceEvaluation, evaluate_sequences
from helpers.evaluation.unit_activity import ActiveUnits, active_units

__all__ = [
    "ActiveUnits",
    "BoundEvaluation",
    "Measured",
    "PerStep",
    "SequenceEvaluation",
    "accuracy",
    "active_units",
    "component_use",
    "evaluate_bound",
    "evaluate_sequences",
    "particle_log_marginal",
]
