"""p(x | z) and q(z | x): a conditional is a network that returns a `torch.distributions.Distribution`.

All share one signature, `Conditional(input_shape, event_shape, network)`, and one contract: called with a tensor
[*batch, *input_shape], they return a distribution with `batch_shape == batch` and `event_shape == event_shape`, for any number of
leading batch dimensions. `network` is a recipe of `networks.py`, or any module [*batch, *input_shape] → [*batch, *parameter_shape].
"""

from __future__ import annotations

import torch
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

from helpers.distributions.checks import check_finite, check_shape, check_unit_interval
from helpers.distributions.continuous_bernoulli import StableContinuousBernoulli
from helpers.networks.recipes import NetworkRecipe

Shape = tuple[int, ...]

MIN_SCALE = 1e-5  # below it a Gaussian's log-density outgrows float32's precision


class Conditional(nn.Module):
    """Base class. Subclasses say what shape of parameters they need, and which distribution those make.

    input_shape: shape of one conditioning value.
    event_shape: shape of one outcome.
    network: a recipe, or a module [*batch, *input_shape] → [*batch, *parameter_shape].
    """

    def __init__(self, input_shape: int | Shape, event_shape: int | Shape, network: NetworkRecipe | nn.Module) -> None:
        super().__init__()
        self.input_shape: Shape = (input_shape,) if isinstance(input_shape, int) else tuple(input_shape)
        self.event_shape: Shape = (event_shape,) if isinstance(event_shape, int) else tuple(event_shape)
        if isinstance(network, nn.Module):
            self.network = network
        else:
            self.network = network.build(self.input_shape, self.parameter_shape)

    @property
    def parameter_shape(self) -> Shape:
        """Shape of what the network must output for one conditioning value."""
        return self.event_shape

    def distribution(self, parameters: Tensor) -> Distribution:
        """parameters: [*batch, *parameter_shape] → distribution with `batch_shape == batch`."""
        raise NotImplementedError

    def check_outcome(self, x: Tensor) -> None:
        """Raise a ValueError that says what is wrong, unless `x` [*batch, *event_shape] can be an outcome."""
        check_shape(x, self.event_shape, "An outcome", type(self).__name__)
        check_finite(x, "The outcomes")

    def forward(self, given: Tensor) -> Distribution:
        """given: [*batch, *input_shape] → distribution with `batch_shape == batch`, `event_shape == event_shape`."""
        batch_shape = check_shape(given, self.input_shape, "The input", type(self).__name__)
        if given.dtype == torch.float64 and (weight := next(self.network.parameters(), given)).dtype != torch.float64:
            raise ValueError(
                f"The input of {type(self).__name__} has dtype torch.float64, and its network {weight.dtype}. Usual cause: data "
                "that came from NumPy; `images.float()` converts them, or `model.double()` the network."
            )
        parameters = self.network(given)
        if parameters.shape != (*batch_shape, *self.parameter_shape):
            raise ValueError(
                f"The network of {type(self).__name__} returned the shape {tuple(parameters.shape)} where "
                f"{(*batch_shape, *self.parameter_shape)} was expected: the batch shape, then {self.parameter_shape}."
            )
        return self.distribution(parameters)


class GaussianConditional(Conditional):
    """N(outcome | m(given), diag(s(given)²)), s = softplus(.) + 1e-5. The network outputs [2, *event_shape]: mean and raw scale."""

    @property
    def parameter_shape(self) -> Shape:
        return (2, *self.event_shape)

    def distribution(self, parameters: Tensor) -> Distribution:
        loc, raw_scale = parameters.unbind(-1 - len(self.event_shape))  # each [*batch, *event]
        # contiguous: softplus is several times slower on a strided view
        normal = Normal(loc, softplus(raw_scale.contiguous()) + MIN_SCALE, validate_args=False)
        return Independent(normal, len(self.event_shape), validate_args=False)


class MixtureOfGaussiansConditional(Conditional):
    """sum_k w_k(given) N(outcome | m_k(given), diag(s_k(given)²)). The network outputs K (1 + 2 D) numbers, D outcome's size."""

    def __init__(
        self,
        input_shape: int | Shape,
        event_shape: int | Shape,
        network: NetworkRecipe | nn.Module,
        num_components: int,
    ) -> None:
        if num_components < 1:
            raise ValueError(f"A mixture needs 1 component or more, and num_components={num_components} was given.")
        self.__dict__["num_components"] = num_components  # parameter_shape needs it before Module.__init__ has run
        super().__init__(input_shape, event_shape, network)

    @property
    def parameter_shape(self) -> Shape:
        return (self.num_components * (1 + 2 * torch.Size(self.event_shape).numel()),)

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


class BernoulliConditional(Conditional):
    """prod_d Bernoulli(outcome_d | sigmoid(logit_d(given))). The network outputs the logits.

    Greys in [0, 1] are scored too: log p is linear in the outcome, so a grey's score is the expected score of a random bit with
    that probability. That is the cross-entropy convention of many VAEs, and no density of greys; lesson 02 says what it means.
    """

    def check_outcome(self, x: Tensor) -> None:
        check_shape(x, self.event_shape, "An outcome", type(self).__name__)
        check_unit_interval(x, "The outcomes")

    def distribution(self, parameters: Tensor) -> Distribution:
        return Independent(
            Bernoulli(logits=parameters, validate_args=False), len(self.event_shape), validate_args=False
        )


class ContinuousBernoulliConditional(BernoulliConditional):
    """prod_d CB(outcome_d | logit_d(given)): a density on [0, 1], proportional to sigmoid(l)^x (1 - sigmoid(l))^(1-x).

    Loaiza-Ganem, Cunningham 2019, "The continuous Bernoulli: fixing a pervasive error in variational autoencoders".
    """

    def distribution(self, parameters: Tensor) -> Distribution:
        pixels = StableContinuousBernoulli(logits=parameters, validate_args=False)
        return Independent(pixels, len(self.event_shape), validate_args=False)


class CategoricalConditional(Conditional):
    """Categorical(outcome | softmax(logits(given))), outcomes one-hot: the last size of `event_shape` is the number of categories."""

    def check_outcome(self, x: Tensor) -> None:
        check_shape(x, self.event_shape, "A one-hot outcome", type(self).__name__)
        check_unit_interval(x, "One-hot outcomes")
        if not bool(((x == 0) | (x == 1)).all() and (x.sum(-1) == 1).all()):
            raise ValueError(
                "Outcomes of CategoricalConditional are one-hot: a single 1 along the last dimension, and zeros. "
                "For integer labels use torch.nn.functional.one_hot(labels, num_classes).float()."
            )

    def distribution(self, parameters: Tensor) -> Distribution:
        one_hot = OneHotCategorical(logits=parameters, validate_args=False)
        return Independent(one_hot, len(self.event_shape) - 1, validate_args=False)
