"""Every draw goes through the source in force: replaced inside a block, for nested estimators too, and restored after it."""

from __future__ import annotations

import threading

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal

from helpers.estimators import (
    DrawSource,
    Enumeration,
    ImportanceWeighted,
    Pathwise,
    draw,
    draw_reparameterised,
    draw_uniform,
    drawing_from,
)


class Constant(DrawSource):
    def __init__(self, value: float) -> None:
        self.value = value

    def sample(self, q, num_samples):
        return torch.full((num_samples, *q.batch_shape, *q.event_shape), self.value)

    def rsample(self, q, num_samples):
        return self.sample(q, num_samples)

    def uniform(self, shape, like):
        return torch.full(shape, self.value, dtype=like.dtype)


def drawn_now() -> list[float]:
    like = torch.zeros((), dtype=torch.float64)
    q = Normal(0.0, 1.0)
    return [draw(q, 1).item(), draw_reparameterised(q, 1).item(), draw_uniform(torch.Size(()), like).item()]


def test_replaced_inside_the_block_only():
    with drawing_from(Constant(7.0)) as outer:
        assert outer.value == 7.0
        assert drawn_now() == [7.0] * 3
        with drawing_from(Constant(9.0)):
            assert drawn_now() == [9.0] * 3
        assert drawn_now() == [7.0] * 3
    assert 7.0 not in drawn_now()


def test_restored_after_an_exception():
    with pytest.raises(KeyError), drawing_from(Constant(7.0)):
        raise KeyError
    assert 7.0 not in drawn_now()


def test_another_thread_keeps_its_own_source():
    seen = []
    with drawing_from(Constant(7.0)):
        thread = threading.Thread(target=lambda: seen.extend(drawn_now()))
        thread.start()
        thread.join()
    assert len(seen) == 3
    assert 7.0 not in seen


def test_the_source_draws_what_torch_draws():
    """Shapes, dtypes and gradients of the three kinds of draw; by the same seed the same numbers as the distribution's own."""
    loc = torch.zeros(3, 2, requires_grad=True)
    q = Independent(Normal(loc, 1.0), 1)
    torch.manual_seed(0)
    expected = q.sample((4,))
    for method, has_gradient in ((draw, False), (draw_reparameterised, True)):
        torch.manual_seed(0)
        z = method(q, 4)
        assert torch.equal(z, expected)
        assert z.requires_grad is has_gradient
    u = draw_uniform(torch.Size((1000, 2)), loc.detach().double())
    assert u.dtype == torch.float64
    assert u.shape == (1000, 2)
    assert ((u >= 0) & (u < 1)).all()
    assert u.std() > 0.25


@pytest.mark.parametrize("estimator", [Pathwise(), ImportanceWeighted()])
def test_a_nested_estimator_meets_the_same_source(estimator):
    """The inner estimator is built inside f, in a closure, and still draws from the block's source."""
    q = Normal(torch.zeros(()), 1.0)

    def f(z):
        return Pathwise()(lambda w: 10 * z + w, Normal(z, 1.0))

    with drawing_from(Constant(2.0)):
        assert estimator(f, q, num_samples=1).value.item() == 22.0


@pytest.mark.parametrize("estimator", [Pathwise(), Enumeration(), ImportanceWeighted()])
def test_no_estimator_samples_behind_its_back(estimator):
    """With a source that draws nothing, torch's generator is unchanged."""
    torch.manual_seed(0)
    before = torch.get_rng_state()
    gaussian, bits = Normal(torch.zeros(3), 1.0), Bernoulli(torch.full((3,), 0.5))
    with drawing_from(Constant(1.0)):
        estimator(lambda z: z**2, bits if isinstance(estimator, Enumeration) else gaussian)
    assert torch.equal(torch.get_rng_state(), before)
