"""A mean with its standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Measured:
    """A mean over images and its standard error, in nats per image."""

    mean: float
    standard_error: float

    @classmethod
    def over(cls, values: Tensor) -> Measured:
        """values: [images]."""
        spread = values.double().std(unbiased=True).item() if values.numel() > 1 else math.nan
        return cls(values.double().mean().item(), spread / math.sqrt(values.numel()))

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.standard_error:.2f}"
