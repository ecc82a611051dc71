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


def estimate_of(w: torch.Tensor) -> Estimate:
    """Value (1, 2), a surrogate whose gradient on w is 3, and a value of its own that means nothing."""
    return Estimate(torch.tensor([1.0, 2.0]), 3 * w + 100, {"rate": torch.tensor([5.0, 6.0])}, torch.tensor(0.5))


@pytest.mark.parametrize(
    "multiply", [lambda estimate, factor: factor * estimate, lambda estimate, factor: estimate * factor]
)
@pytest.mark.parametrize("factor", [-2.0, torch.tensor(-2.0), torch.tensor([-2.0, 4.0]), torch.tensor([3.0])])
def test_a_factor_scales_value_and_surrogate_and_leaves_terms_and_auxiliary_loss(multiply, factor):
    w = torch.ones(2, requires_grad=True)
    product = multiply(estimate_of(w), factor)
    expected = torch.as_tensor(factor).expand(2)
    assert torch.equal(product.value, expected * torch.tensor([1.0, 2.0]))
    assert torch.equal(torch.autograd.grad(product.surrogate.sum(), w)[0], expected * 3)
    assert product.terms["rate"].tolist() == [5.0, 6.0]
    assert product.auxiliary_loss == 0.5


def test_the_negative_and_the_difference_follow_from_the_factor():
    w = torch.ones(2, requires_grad=True)
    a, b = estimate_of(w), Estimate(torch.tensor([10.0, 10.0]), 7 * w, {"rate": torch.ones(2)}, 1.0)
    assert (-a).value.tolist() == [-1.0, -2.0]
    assert torch.autograd.grad((-a).surrogate.sum(), w, retain_graph=True)[0].tolist() == [-3.0, -3.0]
    assert (-a).terms["rate"].tolist() == [5.0, 6.0]
    assert (a - b).value.tolist() == [-9.0, -8.0]
    assert torch.autograd.grad((a - b).surrogate.sum(), w, retain_graph=True)[0].tolist() == [-4.0, -4.0]
    assert (a - b).terms["rate"].tolist() == [6.0, 7.0]  # as in a sum
    assert (a - b).auxiliary_loss == 1.5  # both are minimised
    minus_tensor, minus_float, from_float, from_tensor = a - 2 * w, a - 1.0, 1.0 - a, 2 * w - a
    assert minus_tensor.value.tolist() == [-1.0, 0.0]
    assert torch.autograd.grad(minus_tensor.surrogate.sum(), w, retain_graph=True)[0].tolist() == [1.0, 1.0]
    assert minus_float.value.tolist() == [0.0, 1.0]
    assert from_float.value.tolist() == [0.0, -1.0]
    assert torch.autograd.grad(from_tensor.surrogate.sum(), w, retain_graph=True)[0].tolist() == [-1.0, -1.0]


def test_a_factor_with_a_gradient_or_a_larger_shape_is_refused():
    w = torch.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="requires a gradient.*detach"):
        w * estimate_of(w)
    for factor in (torch.ones(3, 2), torch.ones(3)):
        with pytest.raises(ValueError, match=r"shape \(2,\).*factor of shape \(3"):
            factor * estimate_of(w)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_the_mean_is_over_one_dimension_of_value_surrogate_and_terms(dim):
    w = torch.arange(6.0).reshape(2, 3).requires_grad_()
    estimate = Estimate(w.detach() + 1, w**2, {"rate": w.detach() * 10}, torch.tensor(0.5))
    mean = estimate.mean(dim=dim)
    assert torch.equal(mean.value, (w.detach() + 1).mean(dim))
    assert torch.equal(mean.surrogate, (w**2).mean(dim))
    assert torch.equal(mean.terms["rate"], (w.detach() * 10).mean(dim))
    assert mean.auxiliary_loss == 0.5
    assert torch.equal(estimate.mean().value, estimate.mean(dim=0).value)


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
