"""Models p(x, z), guides q(z | x), and the objectives that train both."""

from helpers.models.elbo import AnalyticKlElbo, Elbo
from helpers.models.latent_variable import AmortizedGuide, LatentVariableModel
from helpers.models.semi_supervised.elbo import AnalyticKlSemiSupervisedElbo, LogLikelihood, SemiSupervisedElbo
from helpers.models.semi_supervised.model import SemiSupervisedGuide, SemiSupervisedVAE, semi_supervised_vae
from helpers.models.semi_supervised.one_kind import OneKindSemiSupervisedElbo
from helpers.models.sequences.deep_markov import DeepMarkovModel, deep_markov_model
from helpers.models.sequences.elbo import AnalyticKlSequenceElbo, SampledKlSequenceElbo, SequenceElbo
from helpers.models.sequences.guide import SequenceDraw, SequenceGuide
from helpers.models.sequences.linear_gaussian import LinearGaussianStateSpace, SmootherGuide
from helpers.models.sequences.recurrent_guide import RecurrentGuide
from helpers.models.sigmoid_belief.layered_elbo import LayeredElbo
from helpers.models.sigmoid_belief.network import sigmoid_belief_network

__all__ = [
    "AmortizedGuide",
    "AnalyticKlElbo",
    "AnalyticKlSemiSupervisedElbo",
    "AnalyticKlSequenceElbo",
    "DeepMarkovModel",
    "Elbo",
    "LatentVariableModel",
    "LayeredElbo",
    "LogLikelihood",
    "LinearGaussianStateSpace",
    "RecurrentGuide",
    "SampledKlSequenceElbo",
    "OneKindSemiSupervisedElbo",
    "SemiSupervisedElbo",
    "SemiSupervisedGuide",
    "SemiSupervisedVAE",
    "SequenceDraw",
    "SequenceElbo",
    "SequenceGuide",
    "SmootherGuide",
    "deep_markov_model",
    "semi_supervised_vae",
    "sigmoid_belief_network",
]
