"""p(z): modules that, given a batch shape, return a `torch.distributions.Distribution`.

`StandardNormalPrior(10)((64,))` has `batch_shape == (64,)` and `event_shape == (10,)`. A prior is a module because some priors
have parameters: the means, scales and weights of `MixtureOfGaussiansPrior` are trained along with the model's other parameters.
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

from helpers.distributions.checks import as_num_components
from helpers.distributions.conditionals import MIN_SCALE
from helpers.networks.recipes import Shape, as_shape
from helpers.networks.sizes import is_number


class Prior(nn.Module):
    """Base class of p(z). A call with a batch shape returns the distribution.

    Args:
        event_shape: Shape of one z; an int is the size of a vector.

    Raises:
        ValueError: If the shape has a size less than 1.
    """

    def __init__(self, event_shape: int | Shape) -> None:
        super().__init__()
        self.event_shape = as_shape(event_shape)
        if any(size < 1 for size in self.event_shape):
            raise ValueError(f"The event shape of a prior needs sizes of 1 or more, and {self.event_shape} was given.")

    def forward(self, batch_shape: int | Shape = ()) -> Distribution:
        """The distribution of a batch of independent z.

        Args:
            batch_shape: Shape of the batch; an int is a shape of one dimension; a single z by default.

        Returns:
            A distribution with this `batch_shape` and the prior's `event_shape`.

        Raises:
            NotImplementedError: Unless a subclass overrides this method.
        """
        raise NotImplementedError


class StandardNormalPrior(Prior):
    """p(z) = N(0, I), without parameters.

    Args:
        event_shape: Shape of one z; an int is the size of a vector.
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, event_shape: int | Shape) -> None:
        super().__init__(event_shape)
        # Buffers: they follow the model to its device and dtype. Not saved, because they are constant.
        self.register_buffer("loc", torch.zeros(self.event_shape), persistent=False)
        self.register_buffer("scale", torch.ones(self.event_shape), persistent=False)

    def forward(self, batch_shape: int | Shape = ()) -> Distribution:
        shape = (*as_shape(batch_shape), *self.event_shape)
        normal = Normal(self.loc.expand(shape), self.scale.expand(shape), validate_args=False)
        return Independent(normal, len(self.event_shape), validate_args=False)


class MixtureOfGaussiansPrior(Prior):
    """p(z) = sum_k w_k N(z | m_k, diag(s_k²)), with weights, means and scales learned.

    Args:
        event_shape: Shape of one z; an int is the size of a vector.
        num_components: K, 1 or more.
        spread: Standard deviation of the initial means. Components with equal initial means stay equal.

    Raises:
        ValueError: If there is no component, or the spread is negative.
    """

    def __init__(self, event_shape: int | Shape, num_components: int, spread: float = 1.0) -> None:
        super().__init__(event_shape)
        num_components = as_num_components(num_components)
        if not is_number(spread) or spread < 0:
            raise ValueError(f"spread={spread!r} was given; expected a standard deviation, 0 or more.")
        self.logits = nn.Parameter(torch.zeros(num_components))
        self.loc = nn.Parameter(spread * torch.randn(num_components, *self.event_shape))
        self.raw_scale = nn.Parameter(torch.full((num_components, *self.event_shape), 0.5413))  # softplus gives 1

    def forward(self, batch_shape: int | Shape = ()) -> Distribution:
        batch_shape = as_shape(batch_shape)
        weights = Categorical(logits=self.logits.expand(*batch_shape, -1), validate_args=False)
        shape = (*batch_shape, *self.loc.shape)
        # the floor keeps the density finite if a component collapses onto a point
        scale = softplus(self.raw_scale) + MIN_SCALE
        points = Normal(self.loc.expand(shape), scale.expand(shape), validate_args=False)
        return MixtureSameFamily(
            weights, Independent(points, len(self.event_shape), validate_args=False), validate_args=False
        )


class BernoulliPrior(Prior):
    """p(z) = prod_d Bernoulli(z_d | p_d), at first fair bits.

    Args:
        event_shape: Shape of one z; an int is the size of a vector.
        trainable: Whether the logits are parameters; otherwise the bits stay fair.
    """

    def __init__(self, event_shape: int | Shape, trainable: bool = False) -> None:
        super().__init__(event_shape)
        self.logits = _parameter_or_buffer(self, torch.zeros(self.event_shape), trainable)

    def forward(self, batch_shape: int | Shape = ()) -> Distribution:
        bits = Bernoulli(logits=self.logits.expand((*as_shape(batch_shape), *self.event_shape)), validate_args=False)
        return Independent(bits, len(self.event_shape), validate_args=False)


class CategoricalPrior(Prior):
    """p(z) = Categorical with one-hot outcomes, at first uniform.

    Args:
        event_shape: Shape of one z, whose last size is the number of categories: `(4, 10)` is four independent ten-way choices.
        trainable: Whether the logits are parameters; otherwise the prior stays uniform.

    Raises:
        ValueError: If the event shape has no dimension.
    """

    def __init__(self, event_shape: int | Shape, trainable: bool = False) -> None:
        super().__init__(event_shape)
        if not self.event_shape:
            raise ValueError(
                "A one-hot outcome has a last dimension, its categories, and the event shape () was given."
            )
        self.logits = _parameter_or_buffer(self, torch.zeros(self.event_shape), trainable)

    def forward(self, batch_shape: int | Shape = ()) -> Distribution:
        logits = self.logits.expand((*as_shape(batch_shape), *self.event_shape))
        return Independent(
            OneHotCategorical(logits=logits, validate_args=False), len(self.event_shape) - 1, validate_args=False
        )


def _parameter_or_buffer(module: nn.Module, value: Tensor, trainable: bool) -> Tensor:
    if trainable:
        return nn.Parameter(value)
    module.register_buffer("logits", value, persistent=False)
    return value
