"""Figures per time step: over the whole set, whatever the batches."""

from __future__ import annotations

import pytest
import torch

from helpers.evaluation import PerStep, evaluate_sequences
from helpers.models import SequenceElbo, deep_markov_model

LENGTHS = torch.tensor([3, 7, 1, 5, 4, 4, 2])


def parts():
    torch.manual_seed(0)
    model, guide = deep_markov_model(5, latent=2, emission=(4,), transition=4, rnn=6, dropout=0.5)
    return model, guide, (torch.rand(7, 8, 5) < 0.3).float()


def test_a_figure_per_step_is_a_sum_over_a_sum():
    values, lengths = torch.tensor([-10.0, -2.0, -30.0]), torch.tensor([4, 1, 5])
    measured = PerStep.over(values, lengths)
    assert measured.mean == pytest.approx(-4.2)  # and not the mean of -2.5, -2 and -6
    assert measured.values.tolist() == values.tolist()
    assert PerStep.over(-3.0 * lengths, lengths).standard_error == pytest.approx(0, abs=1e-12)


def test_its_standard_error_is_the_spread_of_the_ratio():
    torch.manual_seed(1)
    lengths = torch.randint(1, 50, (2000, 60))
    values = -7 * lengths + lengths.sqrt() * torch.randn(2000, 60, dtype=torch.float64)
    measured = [PerStep.over(v, n) for v, n in zip(values, lengths, strict=True)]
    spread = torch.tensor([one.mean for one in measured]).std().item()
    assert sum(one.standard_error for one in measured) / 2000 == pytest.approx(
        spread, rel=0.08
    )  # 5 errors of a spread from 2000


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_batches_change_nothing_but_the_noise(batch_size):
    model, guide, x = parts()
    whole = evaluate_sequences(model, guide, x, LENGTHS, num_samples=4000, batch_size=7)
    pieces = evaluate_sequences(model, guide, x, LENGTHS, num_samples=4000, batch_size=batch_size, max_evaluations=5000)
    for name in ("bound", "log_marginal_is", "log_marginal_smc"):
        one, two = getattr(whole, name), getattr(pieces, name)
        assert (one.values - two.values).abs().max() < 0.5  # nats of some ten; another sequence's would be far off
        assert one.mean == pytest.approx((one.values.sum() / LENGTHS.sum()).item())
    assert whole.bound.mean < whole.log_marginal_is.mean
    assert whole.bound.mean == pytest.approx(-(whole.distortion.mean + whole.rate.mean))


def test_it_is_the_bound_that_training_sees_without_dropout():
    model, guide, x = parts()
    measured = evaluate_sequences(model, guide, x, LENGTHS, num_samples=2000, smc=False)
    assert measured.log_marginal_smc is None
    assert guide.training and guide.dropout.training
    objective = SequenceElbo(model, guide, num_samples=2000).eval()
    assert (measured.bound.values - objective((x, LENGTHS)).value).abs().max() < 0.3


def test_bad_input_is_refused_in_a_sentence():
    model, guide, x = parts()
    for spoilt, sentence in (
        ((x, LENGTHS, 0), "num_samples=0"),
        ((x, LENGTHS * 0, 1), "lengths from 0"),
        ((x, LENGTHS[:3], 1), "7 sequences and 3 lengths"),
        ((x * 2, LENGTHS, 1), "values in"),
    ):
        with pytest.raises(ValueError, match=sentence):
            evaluate_sequences(model, guide, *spoilt)
