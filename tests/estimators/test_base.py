"""What an `Estimate` is, and what the base class checks."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Independent, Normal

from helpers.estimators import Estimate, GradientEstimator, Pathwise, evaluate


def test_of_a_tensor_detaches_value_and_terms_and_keeps_the_surrogate():
    w = torch.ones(3, requires_grad=True)
    estimate = Estimate.of(2 * w, rate=3 * w)
    assert not estimate.value.requires_grad
    assert not estimate.terms["rate"].requires_grad
    assert torch.autograd.grad(estimate.surrogate.sum(), w)[0].tolist() == [2.0] * 3


def test_sums_add_values_surrogates_terms_and_auxiliary_losses():
    w = torch.ones(2, requires_grad=True)
    a = Estimate(torch.tensor([1.0, 2.0]), 2 * w, {"rate": torch.ones(2), "left": torch.zeros(2)}, 0.5)
    b = Estimate(
        torch.tensor([10.0, 20.0]), 3 * w, {"rate": torch.full((2,), 4.0), "right": torch.ones(2)}, torch.tensor(1.0)
    )
    total = a + b
    assert total.value.tolist() == [11.0, 22.0]
    assert torch.autograd.grad(total.surrogate.sum(), w)[0].tolist() == [5.0, 5.0]
    assert {name: term.tolist() for name, term in total.terms.items()} == {
        "rate": [5, 5],
        "left": [0, 0],
        "right": [1, 1],
    }
    assert total.auxiliary_loss == 1.5
    assert a.terms["rate"].tolist() == [1, 1]  # the summands are as before


@pytest.mark.parametrize("add", [lambda e, t: e + t, lambda e, t: t + e if isinstance(t, float) else e + t])
def test_a_tensor_or_number_may_be_added(add):
    w = torch.ones(2, dtype=torch.float64, requires_grad=True)
    estimate = Estimate.of(w)
    assert add(estimate, 1.5).value.tolist() == [2.5, 2.5]
    assert torch.autograd.grad(add(estimate, 3 * w).surrogate.sum(), w)[0].tolist() == [4.0, 4.0]
    assert sum([estimate, estimate]).value.tolist() == [2.0, 2.0]  # sum() starts from 0


@pytest.mark.parametrize(
    "f",
    [
        lambda z: z,  # event not summed
        lambda z: z.sum(-1).mean(-1),  # batch averaged
        lambda z: Estimate.of(z.sum(-1), rate=z.sum()),  # a term of the wrong shape
        lambda z: Estimate(z.sum(-1).detach(), z.sum()),  # a surrogate of the wrong shape
    ],
)
def test_f_of_the_wrong_shape_is_named(f):
    q = Independent(Normal(torch.zeros(3, 2), 1.0), 1)
    with pytest.raises(ValueError, match=r"f returned the shape .*\(4, 3\) was expected.*Independent"):
        Pathwise()(f, q, num_samples=4)


def test_evaluate_accepts_both_a_tensor_and_an_estimate():
    q = Normal(torch.zeros(3), 1.0)
    z = torch.ones(2, 3, requires_grad=True)
    plain, wrapped = evaluate(lambda z: z**2, z, q), evaluate(lambda z: Estimate.of(z**2), z, q)
    assert torch.equal(plain.value, wrapped.value)
    assert plain.surrogate.requires_grad


def test_an_estimator_is_a_module_whose_state_is_saved():
    class Counting(GradientEstimator):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def estimate(self, f, q, num_samples, context):
            self.calls += 1
            return Pathwise().estimate(f, q, num_samples, context)

    estimator = Counting()
    estimator(lambda z: z, Normal(torch.zeros(2), 1.0))
    assert estimator.state_dict()["calls"].item() == 1
