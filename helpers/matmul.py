"""Float32 matrix products at the processor's full speed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch


@contextmanager
def fast_matmul() -> Iterator[None]:
    """Let oneDNN multiply float32 matrices on the CPU, if products stay float32. `fit` trains inside this context.

    By default torch uses MKL, which runs at half speed on some x86 processors. If products may be rounded to bfloat16, torch uses oneDNN,
    which rounds only on processors with bfloat16 units. So a few products are tried once: if they are rounded, or if there is no oneDNN,
    nothing is changed. Products on a GPU are not affected. The setting is restored at the end.

    Yields:
        Nothing.
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
    """Whether oneDNN's products of numbers that bfloat16 cannot hold are exact, for thin and square matrices."""
    if not torch.backends.mkldnn.is_available():
        return False
    with torch.no_grad(), _allow_bfloat16():
        for rows, columns in ((512, 512), (2048, 64), (64, 1024)):
            numbers = (
                1
                + torch.arange(rows * columns, dtype=torch.float32, device="cpu").reshape(rows, columns).fmod(997)
                * 2.0**-13
            )
            # The dtype is named, and so is the device: the defaults may be others.
            identity = torch.eye(columns, dtype=torch.float32, device="cpu")
            for product in (numbers @ identity, torch.nn.functional.linear(numbers, identity)):
                if not torch.equal(product, numbers):
                    return False
    return True
