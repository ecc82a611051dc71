"""A mean with its standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Measured:
    """A mean over images and its standard error, in nats per image unless the caller says otherwise.

    Args:
        mean: The mean.
        standard_error: Its standard error over images; nan for one image.
    """

    mean: float
    standard_error: float

    @classmethod
    def over(cls, values: Tensor) -> Measured:
        """Mean and standard error of one value per image.

        Args:
            values: One value per image [images].

        Returns:
            Their mean and its standard error, computed in float64.
        """
        standard_deviation = values.double().std(unbiased=True).item() if values.numel() > 1 else math.nan
        return cls(values.double().mean().item(), standard_deviation / math.sqrt(values.numel()))

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.standard_error:.2f}"
