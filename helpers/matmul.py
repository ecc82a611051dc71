"""Float32 matrix products at the processor's full speed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch


@contextmanager
def fast_matmul() -> Iterator[None]:
    """Let oneDNN multiply float32 matrices on the CPU, as long as products stay float32; `fit` trains inside this.

    torch asks MKL, which runs at half speed on some x86 processors, unless it is told that products may be rounded to bfloat16: then it
    asks oneDNN, which rounds only where the processor has units that pay for it. So a few products are tried: where they come out rounded,
    and where there is no oneDNN, nothing is changed. Products on a GPU are not touched. The setting is put back at the end.
    """
    if not _oneDNN_stays_float32():
        yield
        return
    with _allow_bfloat16():
        yield


@contextmanager
def _allow_bfloat16() -> Iterator[None]:
    products = torch.backends.mkldnn.matmul
    before = products.fp32_precision
    products.fp32_precision = "bf16"
    try:
        yield
    finally:
        products.fp32_precision = before


@cache
def _oneDNN_stays_float32() -> bool:
    """True where products of numbers that bfloat16 cannot hold come out right, thin or square, with oneDNN asked."""
    if not torch.backends.mkldnn.is_available():
        return False
    with torch.no_grad(), _allow_bfloat16():
        for rows, columns in ((512, 512), (2048, 64), (64, 1024)):
            numbers = (
                1
                + torch.arange(rows * columns, dtype=torch.float32, device="cpu").reshape(rows, columns).fmod(997)
                * 2.0**-13
            )
            for product in (numbers @ torch.eye(columns), torch.nn.functional.linear(numbers, torch.eye(columns))):
                if not torch.equal(product, numbers):
                    return False
    return True
