"""The sigmoid belief network with its inference network."""

from __future__ import annotations

from collections.abc import Sequence

from helpers.distributions import SigmoidBeliefGuide, SigmoidBeliefLikelihood, SigmoidBeliefPrior
from helpers.models.latent_variable import AmortizedGuide, LatentVariableModel
from helpers.networks import FeedForward, NetworkRecipe, Shape


def sigmoid_belief_network(
    sizes: Sequence[int], outcome_shape: int | Shape, network: NetworkRecipe | None = None
) -> tuple[LatentVariableModel, AmortizedGuide]:
    """A model p(x, z) and a guide q(z | x) whose z is layers of bits.

    p(x, z) = p(x | h_1) p(h_1 | h_2) ... p(h_L),  q(z | x) = q(h_1 | x) q(h_2 | h_1) ... q(h_L | h_{L-1}),  z = (h_1, ..., h_L).

    `log_marginal` and `posterior` of the model are exact while all bits together can be enumerated.
    Neal 1992; Mnih, Gregor 2014, "Neural variational inference and learning in belief networks".

    Args:
        sizes: Bits of each layer, from the data upwards, such as (200, 200).
        outcome_shape: Shape of one x, of bits.
        network: Recipe of every map from a layer to the logits of its neighbour; None: linear.

    Returns:
        The model p(x, z) and the guide q(z | x).
    """
    network = FeedForward(()) if network is None else network
    model = LatentVariableModel(
        SigmoidBeliefPrior(sizes, network), SigmoidBeliefLikelihood(sizes, outcome_shape, network)
    )
    return model, AmortizedGuide(SigmoidBeliefGuide(outcome_shape, sizes, network))
