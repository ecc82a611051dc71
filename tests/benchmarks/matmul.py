"""The machine's matrix-multiply peak, and the multiply-adds that a training step of the VAE cannot do without."""

from __future__ import annotations

import time

import torch

from helpers.models import AmortizedGuide, LatentVariableModel
from helpers.networks import count_multiply_adds

SIZES = 1024, 2048, 3072


class Peak:
    """Best rate of float32 `torch.mm` of square matrices, over a few large sizes, with the threads in force."""

    def __init__(self) -> None:
        self.operands = [(torch.randn(n, n), torch.randn(n, n), torch.empty(n, n)) for n in SIZES]

    def measure(self) -> float:
        """Multiply-adds a second, now."""
        return max(self._rate(*operands) for operands in self.operands for _ in range(2))

    @staticmethod
    def _rate(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> float:
        start = time.perf_counter()
        torch.mm(a, b, out=out)
        return len(a) ** 3 / (time.perf_counter() - start)


def training_multiply_adds(model: LatentVariableModel, guide: AmortizedGuide) -> int:
    """Multiply-adds of a forward and backward pass for one image.

    Backward costs each layer twice its forward: the gradients of weight and of input. The first layer's input is data, so there
    the second is left out.
    """
    encoder, decoder = guide.conditional, model.likelihood
    forward = count_multiply_adds(encoder.network, encoder.input_shape) + count_multiply_adds(
        decoder.network, decoder.input_shape
    )
    first = next(layer for layer in encoder.network.modules() if isinstance(layer, torch.nn.Linear))
    return 3 * forward - first.weight.numel()
