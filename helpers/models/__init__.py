"""Models p(x, z), posteriors q(z | x), and the objectives that train both."""

from helpers.models.deep_markov import DeepMarkovModel, deep_markov_model
from helpers.models.elbo import AnalyticKlElbo, Elbo
from helpers.models.latent_variable import AmortizedPosterior, LatentVariableModel
from helpers.models.layered_elbo import LayeredElbo
from helpers.models.linear_gaussian import LinearGaussianStateSpace, SmootherGuide
from helpers.models.packed_steps import PackedSteps
from helpers.models.recurrent_guide import RecurrentGuide
from helpers.models.semi_supervised import SemiSupervisedGuide, SemiSupervisedVAE, semi_supervised_vae
from helpers.models.semi_supervised_elbo import LogLikelihood, SemiSupervisedElbo
from helpers.models.sequence_elbo import SequenceElbo
from helpers.models.sequence_evaluation import PerStep, SequenceEvaluation, evaluate_sequences
from helpers.models.sequence_guide import SequenceDraw, SequenceGuide
from helpers.models.sequential_monte_carlo import particle_log_likelihood
from helpers.models.sigmoid_belief import sigmoid_belief_network

__all__ = [
    "AmortizedPosterior",
    "AnalyticKlElbo",
    "DeepMarkovModel",
    "Elbo",
    "LatentVariableModel",
    "LayeredElbo",
    "LogLikelihood",
    "LinearGaussianStateSpace",
    "PackedSteps",
    "PerStep",
    "RecurrentGuide",
    "SemiSupervisedElbo",
    "SemiSupervisedGuide",
    "SemiSupervisedVAE",
    "SequenceDraw",
    "SequenceElbo",
    "SequenceEvaluation",
    "SequenceGuide",
    "SmootherGuide",
    "deep_markov_model",
    "evaluate_sequences",
    "particle_log_likelihood",
    "semi_supervised_vae",
    "sigmoid_belief_network",
]
