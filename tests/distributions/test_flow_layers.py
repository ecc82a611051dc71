"""The layers of flows: forward map, inverse and log-determinants against autograd, and against Pyro's transforms."""

from __future__ import annotations

import math

import pytest
import torch
from pyro.distributions import transforms as pyro_transforms
from pyro.distributions.transforms.planar import ConditionedPlanar

from helpers.distributions.flow_layers import AffineCoupling, InverseAutoregressive, Planar, scale_of
from helpers.networks import FeedForward
from helpers.networks.autoregressive import AutoregressiveNetwork


def layers(size: int):
    torch.manual_seed(size)
    row = {"dtype": torch.float64}
    yield Planar(2 * torch.randn(size, **row), torch.randn(size, **row), torch.randn((), **row))
    yield Planar(-9 * torch.ones(size, **row), torch.ones(size, **row), torch.zeros((), **row))  # nearly folds
    context = torch.randn(3, **row)
    for order in (list(range(size)), list(range(size))[::-1]):
        network = AutoregressiveNetwork(order, 3, (8, 9)).double()
        yield InverseAutoregressive(lambda x, network=network: 3 * network(x, context), network.order)
    if size > 1:
        first, second = slice(0, size // 2), slice(size // 2, size)
        for kept, moved in ((first, second), (second, first)):
            network = FeedForward((5,)).build((kept.stop - kept.start,), (2, moved.stop - moved.start)).double()
            yield AffineCoupling(lambda x, network=network: 3 * network(x), kept, moved)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_inverse_and_log_determinant_agree_with_autograd(size):
    for layer in layers(size):
        for x in 2 * torch.randn(4, size, dtype=torch.float64):
            y, log_det = layer.forward(x)
            back, same = layer.inverse(y)
            torch.testing.assert_close(back, x, rtol=1e-7, atol=1e-7)
            jacobian = torch.autograd.functional.jacobian(lambda x, layer=layer: layer.forward(x)[0], x)
            torch.testing.assert_close(torch.linalg.slogdet(jacobian)[1], log_det.detach(), rtol=1e-9, atol=1e-9)
            torch.testing.assert_close(same, log_det, rtol=1e-6, atol=1e-6)
            undo = torch.autograd.functional.jacobian(lambda y, layer=layer: layer.inverse(y)[0], y)
            torch.testing.assert_close(undo @ jacobian, torch.eye(size, dtype=torch.float64), rtol=0, atol=1e-5)


def test_against_pyros_transforms():
    torch.manual_seed(0)
    x = torch.randn(6, 4, dtype=torch.float64)
    u, w, b = torch.randn(4).double(), torch.randn(4).double(), torch.randn(1).double()
    ours = Planar(u, w, b[0])
    shifted = u + math.log(math.e - 1) * w / w.square().sum()  # Pyro's m is that of the paper
    theirs = ConditionedPlanar((b, shifted, w))
    compare(ours, theirs, x)

    network = AutoregressiveNetwork([2, 0, 3, 1], 2, (7,)).double()
    context = torch.randn(2).double()

    def affine(x):
        return network(x, context)

    def as_pyro(function):
        def call(x):
            shift, raw = function(x).unbind(-2)
            return shift, scale_of(raw).log()

        return call

    compare(InverseAutoregressive(affine, network.order), pyro_transforms.AffineAutoregressive(as_pyro(affine)), x)
    half = FeedForward((5,)).build((2,), (2, 2)).double()
    compare(AffineCoupling(half, slice(0, 2), slice(2, 4)), pyro_transforms.AffineCoupling(2, as_pyro(half)), x)


def compare(ours, theirs, x):
    y = theirs(x)
    torch.testing.assert_close(ours.forward(x)[0], y, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(ours.forward(x)[1], theirs.log_abs_det_jacobian(x, y), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("order", [[0], [0, 1, 2], [2, 0, 3, 1]])
def test_an_autoregressive_network_looks_back_only_and_at_all_of_it(order):
    network = AutoregressiveNetwork(order, 2, (8, 8)).double()
    context = torch.randn(2).double()
    jacobian = torch.autograd.functional.jacobian(lambda x: network(x, context), torch.randn(len(order)).double())
    before = torch.zeros(len(order), len(order), dtype=torch.bool)
    for turn, place in enumerate(order):
        before[place, order[:turn]] = True
    assert ((jacobian != 0) == before).all()
    by_context = torch.autograd.functional.jacobian(lambda h: network(torch.ones(len(order)).double(), h), context)
    assert (by_context != 0).all()


def test_a_planar_layer_without_direction_is_a_shift():
    zero, b = torch.zeros(3, requires_grad=True), torch.tensor(0.7)
    layer = Planar(torch.ones(3), zero, b)
    y, log_det = layer.forward(torch.zeros(3))
    assert y.tolist() == pytest.approx([math.tanh(0.7)] * 3)
    assert log_det.item() == pytest.approx(0.0, abs=1e-7)
    (gradient,) = torch.autograd.grad(y.sum() + log_det, zero)
    assert torch.isfinite(gradient).all()
