"""`support` and `Finite`."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Independent, Normal, OneHotCategorical

from helpers.distributions import CategoricalPrior, Finite, MixtureOfGaussiansPrior, support


def test_bits_inside_independent_are_all_listed_once():
    outcomes = support(Independent(Bernoulli(torch.full((2, 3), 0.5)), 2))
    assert outcomes.shape == (64, 2, 3)
    assert len({tuple(row) for row in outcomes.flatten(1).tolist()}) == 64


@pytest.mark.parametrize("batch", [(), (2,), (3, 1)])
@pytest.mark.parametrize(
    ("make", "size", "event"),
    [
        (lambda batch: OneHotCategorical(torch.ones(*batch, 4)), 4, (4,)),
        (lambda batch: Independent(OneHotCategorical(torch.ones(*batch, 2, 3)), 1), 9, (2, 3)),
        (lambda batch: Independent(Categorical(torch.ones(*batch, 2, 3)), 1), 9, (2,)),
        (lambda batch: Categorical(torch.ones(*batch, 3)), 3, ()),
        (lambda batch: Independent(Independent(Bernoulli(torch.full((*batch, 3, 2), 0.5)), 1), 1), 64, (3, 2)),
        (lambda batch: Finite(torch.rand(5, 2, 2), torch.zeros(*batch, 5)), 5, (2, 2)),
    ],
)
def test_shapes_through_any_nesting(batch, make, size, event):
    q = make(batch)
    outcomes = support(q)
    assert outcomes.shape == (size, *batch, *event)
    torch.testing.assert_close(q.log_prob(outcomes).logsumexp(0), torch.zeros(batch), atol=1e-5, rtol=0)


def test_refusals_say_why():
    with pytest.raises(ValueError, match="Normal cannot list its outcomes.*Pathwise"):
        support(Independent(Normal(torch.zeros(2), 1.0), 1))
    with pytest.raises(ValueError, match="MixtureSameFamily cannot list"):
        support(MixtureOfGaussiansPrior(2, 3)())
    with pytest.raises(ValueError, match=r"2\^784 outcomes, more than the 65,536"):
        support(Independent(Bernoulli(torch.full((784,), 0.5)), 1))
    with pytest.raises(ValueError, match="more than the 8 "):
        support(CategoricalPrior((2, 3))(), max_size=8)
    assert support(CategoricalPrior((2, 3))(), max_size=9).shape[0] == 9


def test_finite_normalises_scores_averages_and_measures():
    values = torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    p = Finite(values, torch.tensor([[0.0, math.log(2.0), math.log(5.0)], [7.0, 7.0, 7.0]]))
    torch.testing.assert_close(p.probs, torch.tensor([[1 / 8, 2 / 8, 5 / 8], [1 / 3, 1 / 3, 1 / 3]]))
    torch.testing.assert_close(p.mean, torch.tensor([[3.0, 4.0], [2.0, 3.0]]))
    torch.testing.assert_close(p.log_prob(values[1]), torch.tensor([1 / 4, 1 / 3]).log())
    assert p.log_prob(torch.tensor([9.0, 9.0])).tolist() == [-math.inf] * 2  # not listed
    exact = torch.tensor([math.log(8) - (2 * math.log(2) + 5 * math.log(5)) / 8, math.log(3)])
    torch.testing.assert_close(p.entropy(), exact)
    assert p.sample((4,)).shape == (4, 2, 2)
    assert p.expand(torch.Size((5, 2))).sample().shape == (5, 2, 2)
    assert p.enumerate_support(expand=False).shape == (3, 1, 2)


def test_finite_over_scalars_and_over_matrices():
    scalars = Finite(torch.tensor([1.0, 2.0]), torch.zeros(3, 2))
    assert scalars.sample().shape == (3,)
    torch.testing.assert_close(scalars.log_prob(torch.tensor(2.0)), torch.full((3,), 0.5).log())
    matrices = Finite(torch.rand(4, 2, 3), torch.zeros(4))
    assert matrices.log_prob(matrices.sample((6,))).shape == (6,)


def test_an_impossible_outcome_costs_no_entropy_and_is_never_drawn():
    p = Finite(torch.arange(3.0)[:, None], torch.tensor([0.0, 0.0, -math.inf]))
    assert p.entropy().item() == pytest.approx(math.log(2))
    assert p.sample((1000,)).max() == 1
    with pytest.raises(ValueError, match="3 outcomes were listed and 2 logits"):
        Finite(torch.arange(3.0)[:, None], torch.zeros(2))
