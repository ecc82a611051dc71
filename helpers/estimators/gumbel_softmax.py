"""Gumbel-softmax, also known as the concrete distribution: differentiate through a relaxed sample. Biased."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import GradientEstimator, Integrand, NeedOfF, NeedOfQ
from helpers.estimators.draws import draw_uniform
from helpers.estimators.estimate import Estimate
from helpers.estimators.parts.discrete import DiscreteVariables, discrete_variables
from helpers.estimators.parts.doors import check_temperature
from helpers.estimators.parts.logistic import inside
from helpers.estimators.parts.off_support import evaluate_off_support


class GumbelSoftmax(GradientEstimator):
    """Replace each outcome by a point between the outcomes, a differentiable function of logits and noise; then `Pathwise`.

    bits:        z = sigmoid((phi + log u - log(1 - u)) / temperature),  u ~ Uniform(0, 1)
    categories:  z = softmax((phi - log(-log u)) / temperature),         one u a category
    grad E_q[f] ~ mean_s grad f(z_s).
    Biased: it is the gradient of E[f(z)] over relaxed z, a different function of phi. Value, terms and the gradient of f's own
    parameters are biased too. As the temperature falls to 0 the bias vanishes, though it may change sign on the way, and the variance
    grows without bound.

    Needs bits or one-hot categories, and an f that is defined and differentiable between them. torch's `OneHotCategorical.log_prob`
    has no gradient in z, so for categories keep log q - log p out of f: `AnalyticKlElbo`.
    Jang, Gu, Poole 2017, "Categorical Reparameterization with Gumbel-Softmax"; Maddison, Mnih, Teh 2017, "The Concrete Distribution ...".

    Args:
        temperature: Temperature of the relaxation, above 0.

    Raises:
        ValueError: If the temperature is not above 0.
    """

    label = "Gumbel-softmax"
    unbiased = False
    q_needs: NeedOfQ = "bits or categories"
    f_needs: NeedOfF = "relaxation"
    scored = False

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        check_temperature(temperature)
        self.temperature = temperature

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        sites = discrete_variables(q, type(self).__name__)
        u = inside(draw_uniform(torch.Size((num_samples, *sites.logits.shape)), sites.logits.detach()))
        z = self.relax(sites, u)  # [samples, *batch, *event]
        return evaluate_off_support(f, z, q, type(self).__name__).mean(dim=0)

    def relax(self, sites: DiscreteVariables, u: Tensor) -> Tensor:
        """Relaxed outcomes from uniform noise.

        Args:
            sites: The bits or categories of q, with logits [*batch, *event].
            u: Uniform noise in (0, 1), [samples, *batch, *event].

        Returns:
            Relaxed z, same shape as u, differentiable in the logits.
        """
        if sites.binary:
            return ((sites.logits + u.logit()) / self.temperature).sigmoid()
        return ((sites.logits - (-u.log()).log()) / self.temperature).softmax(-1)
