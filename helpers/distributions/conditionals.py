"""Conditionals p(x | z) and q(z | x) whose parameters a network computes: Gaussian, Bernoulli, categorical and others.

All share one signature, `GaussianConditional(input_shape, event_shape, network)`, and the contract of `Conditional`. `network` is a
recipe of `helpers.networks`, or any module [*batch, *input_shape] → [*batch, *parameter_shape].
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    Normal,
    OneHotCategorical,
)
from torch.nn.functional import softplus

from helpers.distributions.checks import as_num_components, check_shape, check_unit_interval
from helpers.distributions.continuous_bernoulli import StableContinuousBernoulli
from helpers.distributions.network_conditional import NetworkConditional
from helpers.networks.recipes import NetworkRecipe, Shape, as_shape

MIN_SCALE = 1e-5  # with smaller scales a Gaussian's log-density exceeds the precision of float32


class GaussianConditional(NetworkConditional):
    """N(outcome | m(given), diag(s(given)²)), s = softplus(raw scale) + 1e-5. The network outputs [2, *event_shape]: mean and raw scale.

    Args:
        input_shape: Shape of one conditioning value; an int is the size of a vector.
        event_shape: Shape of one outcome; an int is the size of a vector.
        network: A recipe, or a module [*batch, *input_shape] → [*batch, 2, *event_shape].
    """

    def __init__(self, input_shape: int | Shape, event_shape: int | Shape, network: NetworkRecipe | nn.Module) -> None:
        super().__init__(input_shape, event_shape, network, (2, *as_shape(event_shape)))

    def distribution(self, parameters: Tensor) -> Distribution:
        loc, raw_scale = parameters.unbind(-1 - len(self.event_shape))  # each [*batch, *event]
        # contiguous: softplus is several times slower on a strided view
        normal = Normal(loc, softplus(raw_scale.contiguous()) + MIN_SCALE, validate_args=False)
        return Independent(normal, len(self.event_shape), validate_args=False)


class MixtureOfGaussiansConditional(NetworkConditional):
    """sum_k w_k(given) N(outcome | m_k(given), diag(s_k(given)²)).

    The network outputs a vector of size K (1 + 2 D), D the size of the outcome: K logits, then K means, then K raw scales.

    Args:
        input_shape: Shape of one conditioning value; an int is the size of a vector.
        event_shape: Shape of one outcome; an int is the size of a vector.
        network: A recipe, or a module [*batch, *input_shape] → [*batch, K (1 + 2 D)].
        num_components: K, 1 or more.

    Raises:
        ValueError: If there is no component.
    """

    def __init__(
        self,
        input_shape: int | Shape,
        event_shape: int | Shape,
        network: NetworkRecipe | nn.Module,
        num_components: int,
    ) -> None:
        num_components = as_num_components(num_components)
        size = num_components * (1 + 2 * math.prod(as_shape(event_shape)))
        super().__init__(input_shape, event_shape, network, (size,))
        self.num_components = num_components

    def distribution(self, parameters: Tensor) -> Distribution:
        logits, points = parameters.tensor_split((self.num_components,), dim=-1)
        points = points.reshape(*parameters.shape[:-1], 2, self.num_components, *self.event_shape)
        loc, raw_scale = points.unbind(-2 - len(self.event_shape))  # each [*batch, components, *event]
        normal = Normal(loc, softplus(raw_scale) + MIN_SCALE, validate_args=False)
        return MixtureSameFamily(
            Categorical(logits=logits, validate_args=False),
            Independent(normal, len(self.event_shape), validate_args=False),
            validate_args=False,
        )


class BernoulliConditional(NetworkConditional):
    """prod_d Bernoulli(outcome_d | sigmoid(logit_d(given))). The network outputs the logits, [*batch, *event_shape].

    Greys in [0, 1] have a log p too: it is linear in the outcome, so that of a grey is the expected log-probability of a random bit
    with that probability. This is the cross-entropy convention of many VAEs, not a density of greys; lesson 02 explains it.
    """

    def check_outcome(self, x: Tensor) -> None:
        check_shape(x, self.event_shape, "an outcome", type(self).__name__)
        check_unit_interval(x, "outcomes")

    def distribution(self, parameters: Tensor) -> Distribution:
        return Independent(
            Bernoulli(logits=parameters, validate_args=False), len(self.event_shape), validate_args=False
        )


class ContinuousBernoulliConditional(BernoulliConditional):
    """prod_d CB(outcome_d | logit_d(given)): a density on [0, 1], proportional to sigmoid(l)^x (1 - sigmoid(l))^(1-x).

    The network outputs the logits, [*batch, *event_shape].

    Loaiza-Ganem, Cunningham 2019, "The continuous Bernoulli: fixing a pervasive error in variational autoencoders".
    """

    def distribution(self, parameters: Tensor) -> Distribution:
        pixels = StableContinuousBernoulli(logits=parameters, validate_args=False)
        return Independent(pixels, len(self.event_shape), validate_args=False)


class CategoricalConditional(NetworkConditional):
    """Categorical(outcome | softmax(logits(given))) with one-hot outcomes: the last size of `event_shape` is the number of categories.

    The network outputs the logits, [*batch, *event_shape].
    """

    def check_outcome(self, x: Tensor) -> None:
        check_shape(x, self.event_shape, "a one-hot outcome", type(self).__name__)
        check_unit_interval(x, "one-hot outcomes")
        if not bool(((x == 0) | (x == 1)).all() and (x.sum(-1) == 1).all()):
            raise ValueError(
                "Outcomes of CategoricalConditional are one-hot: a single 1 along the last dimension, and zeros. "
                "For integer labels use torch.nn.functional.one_hot(labels, num_classes).float()."
            )

    def distribution(self, parameters: Tensor) -> Distribution:
        one_hot = OneHotCategorical(logits=parameters, validate_args=False)
        return Independent(one_hot, len(self.event_shape) - 1, validate_args=False)
