"""Priors p(z), and conditionals p(x | z) and q(z | x): modules that return `torch.distributions`."""

from helpers.distributions.conditionals import (
    BernoulliConditional,
    CategoricalConditional,
    ContinuousBernoulliConditional,
    GaussianConditional,
    MixtureOfGaussiansConditional,
)
from helpers.distributions.divergence import closed_form_kl
from helpers.distributions.finite import Finite, support
from helpers.distributions.flow import Flow
from helpers.distributions.flow_conditionals import (
    AffineCouplingConditional,
    InverseAutoregressiveConditional,
    PlanarFlowConditional,
)
from helpers.distributions.gated_transition import GatedTransition
from helpers.distributions.independent import innermost
from helpers.distributions.layered import LayeredBits
from helpers.distributions.network_conditional import Conditional, NetworkConditional
from helpers.distributions.priors import (
    BernoulliPrior,
    CategoricalPrior,
    MixtureOfGaussiansPrior,
    Prior,
    StandardNormalPrior,
)
from helpers.distributions.sigmoid_belief import SigmoidBeliefGuide, SigmoidBeliefLikelihood, SigmoidBeliefPrior
from helpers.distributions.style_conditional import StyleConditional, side_by_side
from helpers.distributions.vamp import VampPrior

__all__ = [
    "AffineCouplingConditional",
    "BernoulliConditional",
    "BernoulliPrior",
    "CategoricalConditional",
    "CategoricalPrior",
    "Conditional",
    "ContinuousBernoulliConditional",
    "Finite",
    "Flow",
    "GatedTransition",
    "GaussianConditional",
    "InverseAutoregressiveConditional",
    "LayeredBits",
    "MixtureOfGaussiansConditional",
    "MixtureOfGaussiansPrior",
    "NetworkConditional",
    "PlanarFlowConditional",
    "Prior",
    "SigmoidBeliefLikelihood",
    "SigmoidBeliefGuide",
    "SigmoidBeliefPrior",
    "StandardNormalPrior",
    "StyleConditional",
    "VampPrior",
    "closed_form_kl",
    "innermost",
    "side_by_side",
    "support",
]
