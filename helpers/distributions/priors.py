"""p(z): modules that, given a batch shape, return a `torch.distributions.Distribution`.

`StandardNormalPrior(10)((64,))` has `batch_shape == (64,)` and `event_shape == (10,)`. A prior is a module because some priors
learn: `MixtureOfGaussiansPrior` trains its means, scales and weights along with everything else.
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

from helpers.distributions.conditionals import MIN_SCALE

Shape = tuple[int, ...]


class Prior(nn.Module):
    """p(z) for outcomes of shape `event_shape`; call it with a batch shape to get the distribution."""

    def __init__(self, event_shape: int | Shape) -> None:
        super().__init__()
        self.event_shape: Shape = (event_shape,) if isinstance(event_shape, int) else tuple(event_shape)
        if any(size < 1 for size in self.event_shape):
            raise ValueError(f"The event shape of a prior needs sizes of 1 or more, and {self.event_shape} was given.")

    def forward(self, batch_shape: Shape = ()) -> Distribution:
        """batch_shape → a distribution with that `batch_shape` and the prior's `event_shape`."""
        raise NotImplementedError


class StandardNormalPrior(Prior):
    """p(z) = N(0, I). Nothing to learn."""

    def __init__(self, event_shape: int | Shape) -> None:
        super().__init__(event_shape)
        # Buffers, so that the prior moves with the model and takes its dtype; not persistent, for they never change.
        self.register_buffer("loc", torch.zeros(self.event_shape), persistent=False)
        self.register_buffer("scale", torch.ones(self.event_shape), persistent=False)

    def forward(self, batch_shape: Shape = ()) -> Distribution:
        shape = (*batch_shape, *self.event_shape)
        normal = Normal(self.loc.expand(shape), self.scale.expand(shape), validate_args=False)
        return Independent(normal, len(self.event_shape), validate_args=False)


class MixtureOfGaussiansPrior(Prior):
    """p(z) = sum_k w_k N(z | m_k, diag(s_k²)), with weights, means and scales learned.

    num_components: number of components, 1 or more.
    spread: standard deviation of the initial means; components that start in one place never part.
    """

    def __init__(self, event_shape: int | Shape, num_components: int, spread: float = 1.0) -> None:
        super().__init__(event_shape)
        if num_components < 1:
            raise ValueError(f"A mixture needs 1 component or more, and num_components={num_components} was given.")
        self.logits = nn.Parameter(torch.zeros(num_components))
        self.loc = nn.Parameter(spread * torch.randn(num_components, *self.event_shape))
        self.raw_scale = nn.Parameter(torch.full((num_components, *self.event_shape), 0.5413))  # softplus gives 1

    def forward(self, batch_shape: Shape = ()) -> Distribution:
        batch_shape = tuple(batch_shape)
        weights = Categorical(logits=self.logits.expand(*batch_shape, -1), validate_args=False)
        shape = (*batch_shape, *self.loc.shape)
        scale = (
            softplus(self.raw_scale) + MIN_SCALE
        )  # a component may collapse onto a point, and its density stays finite
        points = Normal(self.loc.expand(shape), scale.expand(shape), validate_args=False)
        return MixtureSameFamily(
            weights, Independent(points, len(self.event_shape), validate_args=False), validate_args=False
        )


class BernoulliPrior(Prior):
    """p(z) = prod_d Bernoulli(z_d | p_d): fair bits, or learned ones with `trainable=True`."""

    def __init__(self, event_shape: int | Shape, trainable: bool = False) -> None:
        super().__init__(event_shape)
        self.logits = _parameter_or_buffer(self, torch.zeros(self.event_shape), trainable)

    def forward(self, batch_shape: Shape = ()) -> Distribution:
        bits = Bernoulli(logits=self.logits.expand((*batch_shape, *self.event_shape)), validate_args=False)
        return Independent(bits, len(self.event_shape), validate_args=False)


class CategoricalPrior(Prior):
    """p(z) = Categorical, with one-hot outcomes: the last size of `event_shape` is the number of categories.

    Uniform, or learned with `trainable=True`. An event shape `(4, 10)` is four independent ten-way choices.
    """

    def __init__(self, event_shape: int | Shape, trainable: bool = False) -> None:
        super().__init__(event_shape)
        self.logits = _parameter_or_buffer(self, torch.zeros(self.event_shape), trainable)

    def forward(self, batch_shape: Shape = ()) -> Distribution:
        logits = self.logits.expand(*batch_shape, *self.event_shape)
        return Independent(
            OneHotCategorical(logits=logits, validate_args=False), len(self.event_shape) - 1, validate_args=False
        )


def _parameter_or_buffer(module: nn.Module, value: Tensor, trainable: bool) -> Tensor:
    if trainable:
        return nn.Parameter(value)
    module.register_buffer("logits", value, persistent=False)
    return value
