"""Models p(x, z), posteriors q(z | x), and the objectives that train both."""

from helpers.models.elbo import AnalyticKlElbo, Elbo
from helpers.models.latent_variable import AmortizedPosterior, LatentVariableModel
from helpers.models.layered_elbo import LayeredElbo
from helpers.models.sigmoid_belief import sigmoid_belief_network

__all__ = ["AmortizedPosterior", "AnalyticKlElbo", "Elbo", "LatentVariableModel", "LayeredElbo", "sigmoid_belief_network"]
