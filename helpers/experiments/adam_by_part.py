"""Adam's steps, split by the loss that they come from: how far do the labelled images move the parameters, and how far the others?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


class AdamByPart:
    """Adam on a sum of losses, with each loss's part of every step.

    Adam's step is -rate * m / (sqrt(v) + eps), both moments corrected for their start at zero. m is a running mean of gradients, so it is
    the sum of one running mean per loss, and so is the step. v belongs to the sum of the losses: it is one and the same for all parts.
    A loss that is absent from a step has the gradient zero there, and its part fades.

    Kingma, Ba 2015, "Adam: a method for stochastic optimization".

    Args:
        parameters: What is trained.
        rate: Learning rate.
        betas: Decay of m and of v, each step.
        eps: Added to the root of v.

    Raises:
        ValueError: If there are no parameters, or the rate is not above 0.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError(
                "AdamByPart was given no parameters: there is nothing to train. Give `module.parameters()`."
            )
        if not rate > 0:
            raise ValueError(f"The learning rate is {rate}; it must be above 0.")
        self.rate, self.betas, self.eps = rate, betas, eps
        self.steps = 0
        self._means: dict[str, list[Tensor]] = {}  # m by loss
        self._squares = [torch.zeros_like(parameter) for parameter in self.parameters]  # v

    def step(self, losses: Mapping[str, Tensor]) -> dict[str, float]:
        """Take one step on the sum of the losses.

        Args:
            losses: Name → loss, a scalar. Names may differ from step to step.

        Returns:
            Name → length of that loss's part of the step, for all names so far.

        Raises:
            ValueError: If there are no losses.
        """
        if not losses:
            raise ValueError("step was given no losses; expected name → scalar, such as {'labelled': loss}.")
        gradients = {name: self._gradient(loss) for name, loss in losses.items()}
        with torch.no_grad():
            return self._move(gradients)

    def _gradient(self, loss: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(loss, self.parameters, retain_graph=True, allow_unused=True, materialize_grads=True)

    def _move(self, gradients: Mapping[str, tuple[Tensor, ...]]) -> dict[str, float]:
        self.steps += 1
        first, second = self.betas
        for name in gradients:
            self._means.setdefault(name, [torch.zeros_like(parameter) for parameter in self.parameters])
        squared_lengths = dict.fromkeys(self._means, 0.0)
        for place, parameter in enumerate(self.parameters):
            total = sum(parts[place] for parts in gradients.values())
            self._squares[place].mul_(second).addcmul_(total, total, value=1 - second)
            root = (self._squares[place] / (1 - second**self.steps)).sqrt() + self.eps
            for name, means in self._means.items():
                means[place].mul_(first)
                if name in gradients:
                    means[place].add_(gradients[name][place], alpha=1 - first)
                part = means[place] / root * (self.rate / (1 - first**self.steps))
                squared_lengths[name] += part.square().sum().item()
                parameter.sub_(part)
        return {name: squared**0.5 for name, squared in squared_lengths.items()}
