"""What counts as a conditional, and the base class of those with a network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.distributions import (
    AffineCouplingConditional,
    BernoulliConditional,
    CategoricalConditional,
    Conditional,
    GatedTransition,
    GaussianConditional,
    MixtureOfGaussiansConditional,
    NetworkConditional,
    SigmoidBeliefGuide,
    SigmoidBeliefLikelihood,
    StandardNormalPrior,
)
from helpers.models import AmortizedGuide
from helpers.networks import FeedForward

NETWORK = FeedForward(())


@pytest.mark.parametrize(
    "conditional",
    [
        GaussianConditional(3, 2, NETWORK),
        CategoricalConditional(3, 2, NETWORK),
        MixtureOfGaussiansConditional(3, 2, NETWORK, 4),
        AffineCouplingConditional(3, 2, NETWORK),
        GatedTransition(2),
        SigmoidBeliefGuide(3, (2, 2)),
        SigmoidBeliefLikelihood((2, 2), 3),
    ],
    ids=lambda conditional: type(conditional).__name__,
)
def test_conditionals(conditional):
    assert isinstance(conditional, Conditional)
    x = torch.rand(5, 4, *conditional.input_shape)
    outcomes = conditional(x).sample()
    assert outcomes.shape == (5, 4, *conditional.event_shape)
    conditional.check_outcome(outcomes)
    for wrong in (outcomes[..., :-1], torch.full_like(outcomes, torch.nan)):
        with pytest.raises(ValueError, match="shape|NaN"):
            conditional.check_outcome(wrong)


@pytest.mark.parametrize(
    "other", [AmortizedGuide(GaussianConditional(3, 2, NETWORK)), StandardNormalPrior(2), nn.Linear(3, 2), None]
)
def test_what_is_no_conditional(other):
    assert not isinstance(other, Conditional)


def test_shapes_of_parameters():
    assert NetworkConditional(3, (2, 5), NETWORK).parameter_shape == (2, 5)
    assert BernoulliConditional(3, (2, 5), NETWORK).parameter_shape == (2, 5)
    assert GaussianConditional(3, (2, 5), NETWORK).parameter_shape == (2, 2, 5)
    assert MixtureOfGaussiansConditional(3, (2, 5), NETWORK, 4).parameter_shape == (4 * (1 + 2 * 10),)
    assert AffineCouplingConditional(3, (2, 5), NETWORK, context_size=7).parameter_shape == (2 * 10 + 7,)
    with pytest.raises(NotImplementedError):
        NetworkConditional(3, 2, NETWORK)(torch.rand(3))
