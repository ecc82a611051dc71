"""Lengths of phrases, given that together they fill a chorale."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Phrases:
    """A renewal process: lengths l_1, l_2, ... drawn independently from q, given that some of them add up to T, exactly normalised.

    p(l_1, ..., l_n | T) = prod_i q(l_i) / F(T), where F(T) = sum_l q(l) F(T - l), F(0) = 1, is the probability that a phrase ends at T.

    Args:
        lengths: Length in steps, 1 or more → probability. The values are normalised.

    Raises:
        ValueError: If there is no length, if a length is no number of steps, or if a probability is not positive.
    """

    def __init__(self, lengths: Mapping[int, float]) -> None:
        if not lengths or any(
            type(steps) is not int or steps < 1 or not weight > 0 for steps, weight in lengths.items()
        ):
            raise ValueError(
                f"Got phrase_lengths={dict(lengths)!r}; expected steps of 1 or more, each with a positive probability. Usually a "
                "length without probability: leave it out."
            )
        self.longest = max(lengths)
        self.probability = torch.zeros(self.longest, dtype=torch.float64)  # [L], at l - 1: q(l)
        for steps, weight in lengths.items():
            self.probability[steps - 1] = weight
        self.probability /= self.probability.sum()

    def fill(self, longest: int) -> Tensor:
        """Probabilities that a phrase ends at a step.

        Args:
            longest: Last step.

        Returns:
            F(0), ..., F(longest), float64 [longest + 1].
        """
        fill = torch.zeros(longest + 1, dtype=torch.float64)
        fill[0] = 1.0
        for end in range(1, longest + 1):
            reach = min(end, self.longest)
            fill[end] = (self.probability[:reach] * fill[end - reach : end].flip(0)).sum()
        return fill

    def weights(self, left: Tensor, fill: Tensor) -> Tensor:
        """Unnormalised probabilities of the next phrase's length, given the steps that are left to fill.

        Args:
            left: Steps left, int64 [N].
            fill: What `fill` returned, as far as the largest of `left`.

        Returns:
            q(l) F(left - l), float64 [N, L], with length l at index l - 1.
        """
        after = left[:, None] - torch.arange(1, self.longest + 1)
        return self.probability * torch.where(after >= 0, fill[after.clamp_min(0)], 0.0)

    def check(self, lengths: Tensor) -> Tensor:
        """Check that phrases can fill sequences.

        Args:
            lengths: Steps of the sequences, int64 [N].

        Returns:
            What `fill` returns, as far as the longest of `lengths`.

        Raises:
            ValueError: If phrases cannot fill one of them; the message names it.
        """
        fill = self.fill(int(lengths.max()))
        empty = lengths[(lengths < 1) | (fill.to(lengths.device)[lengths.clamp_min(0)] == 0)]
        if len(empty):
            phrases = ", ".join(str(int(steps) + 1) for steps in self.probability.nonzero())
            raise ValueError(
                f"Got a sequence of {int(empty[0])} steps; expected a length that phrases of {phrases} steps can fill. Usually a "
                "roll that was cut: the likelihood of a part of a chorale is not computed here."
            )
        return fill
