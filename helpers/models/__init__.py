"""Models p(x, z), posteriors q(z | x), and the objectives that train both."""

from helpers.models.elbo import AnalyticKlElbo, Elbo
from helpers.models.latent_variable import AmortizedPosterior, LatentVariableModel

__all__ = ["AmortizedPosterior", "AnalyticKlElbo", "Elbo", "LatentVariableModel"]
