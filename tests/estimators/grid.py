"""Every joint outcome of a few Gaussian numbers and a few categories, side by side along one batch dimension.

`exact_moments` walks through outcomes one by one, which takes any estimator and any tree of draws. Where parameters are the same for
a whole batch, all outcomes fit into one call: the batch is the grid, each datum one outcome, with its own copy of each parameter, so
that one backward pass gives every outcome's gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MixtureSameFamily, Normal, OneHotCategorical

from helpers.estimators import DrawSource, Estimate, Moments, drawing_from
from helpers.estimators.harness.quadrature import gauss_hermite


class Grid(DrawSource):
    """Draws along the grid: one call for each kind of noise, with batch_shape [outcomes].

    numbers, nodes: Gaussian numbers drawn in all, and the Gauss-Hermite nodes of each.
    picks, components: categories drawn in all, and the outcomes of each.
    """

    def __init__(self, numbers: int, nodes: int, picks: int = 0, components: int = 1) -> None:
        x, w = gauss_hermite(nodes)
        digits = torch.cartesian_prod(*[torch.arange(nodes)] * numbers, *[torch.arange(components)] * picks)
        digits = digits.reshape(-1, numbers + picks).T  # [numbers + picks, outcomes]
        self.noise, self.weight = x[digits[:numbers]], w[digits[:numbers]].prod(0)
        self.pick = digits[numbers:]  # [picks, outcomes]
        self.components = components
        self.size = digits.shape[1]

    def probability(self, logits: Tensor | None = None) -> Tensor:
        """[outcomes], given the categories' logits [components]."""
        if not len(self.pick):
            return self.weight
        return self.weight * logits.detach().softmax(-1)[self.pick].prod(0)

    def rsample(self, q: Distribution, num_samples: int) -> Tensor:
        normal = q.base_dist if isinstance(q, Independent) else q
        assert isinstance(normal, Normal)
        return normal.loc + normal.scale * self.noise.reshape(num_samples, *normal.batch_shape)

    def sample(self, q: Distribution, num_samples: int) -> Tensor:
        assert num_samples == len(self.pick)
        if isinstance(q, OneHotCategorical):
            return torch.nn.functional.one_hot(self.pick, self.components).double()  # [samples, outcomes, components]
        assert isinstance(q, MixtureSameFamily)
        normal = q.component_distribution
        loc, scale = (part.T.gather(0, self.pick) for part in (normal.loc, normal.scale))
        return (loc + scale * self.noise).detach()  # [samples, outcomes]


def grid_moments(
    grid: Grid, parameters: Sequence[Tensor], run: Callable[..., Estimate], logits: Tensor | None = None
) -> Moments:
    """Exact up to quadrature. run: copies of the parameters [outcomes, *parameter] → an `Estimate` [outcomes]."""
    copies = [
        parameter.detach().expand(grid.size, *parameter.shape).clone().requires_grad_() for parameter in parameters
    ]
    with drawing_from(grid):
        estimate = run(*copies)
    probability = grid.probability(logits)  # [outcomes]
    torch.testing.assert_close(probability.sum().item(), 1.0)
    gradients = torch.autograd.grad(estimate.surrogate.sum(), copies, allow_unused=True, materialize_grads=True)
    means = tuple(torch.tensordot(probability, gradient, 1) for gradient in gradients)
    variances = tuple(
        torch.tensordot(probability, (gradient - mean) ** 2, 1) for gradient, mean in zip(gradients, means, strict=True)
    )
    value = torch.dot(probability, estimate.value)
    return Moments(value, torch.dot(probability, (estimate.value - value) ** 2), means, variances, grid.size)
