"""REBAR: f at relaxed bits as control variate."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.estimators.base import Integrand, NeedOfF
from helpers.estimators.parts.conditional_reparameterisation import ConditionalReparameterisation
from helpers.estimators.parts.doors import check_temperature
from helpers.estimators.parts.off_support import differentiable, evaluate_off_support
from helpers.networks.sizes import is_number


class Rebar(ConditionalReparameterisation):
    """Score function with the concrete relaxation of f as control variate, corrected to be unbiased.

    grad_phi E_q[f] ~ mean_s (f(b) - c(z')) grad log q(b) + grad_phi c(z) - grad_phi c(z'),  c(z) = eta f(sigmoid(z / temperature)).
    Unbiased for any eta and temperature: see `ConditionalReparameterisation` for z, z' and for the auxiliary loss, which trains both
    to lower the variance.

    Needs independent bits, and an f that is defined and differentiable between them. Three evaluations of f a sample, at b and at
    two relaxed points, so `num_samples` is a multiple of 3.
    Tucker, Mnih, Maddison, Lawson, Sohl-Dickstein 2017, "REBAR: Low-variance, unbiased gradient estimates for discrete latent variable
    models" (its relaxation without the second-order correction of the temperature).

    Args:
        temperature: Initial temperature of the relaxation, above 0; its logarithm is the parameter `log_temperature`.
        eta: Initial strength of the control variate, a parameter; 0 makes it the score function.

    Raises:
        ValueError: If the temperature is not above 0, or eta is not a finite number.
    """

    label = "REBAR"
    f_needs: NeedOfF = "relaxation"
    evaluations_per_sample = 3

    def __init__(self, temperature: float = 0.5, eta: float = 1.0) -> None:
        super().__init__()
        check_temperature(temperature)
        if not is_number(eta):
            raise ValueError(f"eta, the strength of the control variate: {eta!r} was given; expected a finite number.")
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))
        self.eta = nn.Parameter(torch.tensor(float(eta)))

    def control_variate(self, f: Integrand, z: Tensor, q: Distribution) -> Tensor:
        relaxed = (z * (-self.log_temperature).exp()).sigmoid()
        return self.eta * differentiable(evaluate_off_support(f, relaxed, q, type(self).__name__))
