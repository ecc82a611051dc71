"""Models p(x, z), posteriors q(z | x), and the objectives that train both."""

from helpers.models.elbo import AnalyticKlElbo, Elbo
from helpers.models.latent_variable import AmortizedPosterior, LatentVariableModel
from helpers.models.layered_elbo import LayeredElbo
from helpers.models.semi_supervised import SemiSupervisedGuide, SemiSupervisedVAE, semi_supervised_vae
from helpers.models.semi_supervised_elbo import LogLikelihood, SemiSupervisedElbo
from helpers.models.sigmoid_belief import sigmoid_belief_network

__all__ = [
    "AmortizedPosterior",
    "AnalyticKlElbo",
    "Elbo",
    "LatentVariableModel",
    "LayeredElbo",
    "LogLikelihood",
    "SemiSupervisedElbo",
    "SemiSupervisedGuide",
    "SemiSupervisedVAE",
    "semi_supervised_vae",
    "sigmoid_belief_network",
]
