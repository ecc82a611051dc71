"""Float32 stays float32, and the setting goes back."""

from __future__ import annotations

import pytest
import torch

from helpers import matmul as products
from helpers.matmul import fast_matmul


def test_products_are_as_exact_as_float32():
    torch.manual_seed(0)
    a, b = torch.randn(300, 500), torch.randn(500, 784)
    with fast_matmul():
        gap = ((a @ b).double() - a.double() @ b.double()).norm() / (a.double() @ b.double()).norm()
    assert gap < 1e-6  # bfloat16 would give 2e-3


def test_the_setting_is_put_back_also_after_an_error():
    before = torch.backends.mkldnn.matmul.fp32_precision, torch.get_float32_matmul_precision()
    with pytest.raises(RuntimeError), fast_matmul():
        raise RuntimeError
    assert (torch.backends.mkldnn.matmul.fp32_precision, torch.get_float32_matmul_precision()) == before


def test_where_products_would_be_rounded_nothing_is_changed(monkeypatch):
    monkeypatch.setattr(
        torch, "eye", lambda *n, real=torch.eye, **options: real(*n, **options) * (1 + 2.0**-10)
    )  # a product that comes out otherwise
    products._oneDNN_stays_float32.cache_clear()
    try:
        with fast_matmul():
            assert torch.backends.mkldnn.matmul.fp32_precision == "none"
    finally:
        products._oneDNN_stays_float32.cache_clear()


def test_fit_trains_inside_it(monkeypatch):
    from torch import nn

    from helpers.estimators import Estimate
    from helpers.training import fit

    class Seen(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))
            self.settings = []

        def forward(self, x):
            self.settings.append(torch.backends.mkldnn.matmul.fp32_precision)
            return Estimate.of(self.weight * x)

    seen = Seen()
    fit(seen, [torch.ones(1)], epochs=1)
    expected = "bf16" if products._oneDNN_stays_float32() else "none"
    assert seen.settings == [expected]


def test_the_trial_is_in_float32_whatever_the_default_dtype():
    known = products._oneDNN_stays_float32()
    products._oneDNN_stays_float32.cache_clear()
    torch.set_default_dtype(torch.float64)
    with fast_matmul():
        assert products._oneDNN_stays_float32() == known
