"""What a deep Markov model refuses, in a sentence."""

from __future__ import annotations

import pytest
import torch

from helpers.distributions import BernoulliConditional, GatedTransition
from helpers.models import AnalyticKlSequenceElbo, DeepMarkovModel, SequenceElbo, deep_markov_model
from helpers.networks import FeedForward
from tests.models.sequences.test_deep_markov import KEYS, LATENT, LENGTHS, parts

BAD = [
    (lambda x: (x, torch.tensor([3, 0, 1, 7, 4])), "from 0 to 7.*empty sequence"),
    (lambda x: (x, torch.tensor([3, 10, 1, 7, 4])), "from 1 to 10 for sequences padded to 9"),
    (lambda x: (x, torch.tensor([3, 7])), "5 sequences and 2 lengths"),
    (lambda x: (x, LENGTHS.double()), r"expected int64 \[sequences\]"),
    (lambda x: (x, LENGTHS.tolist()), "lengths of type list"),
    (lambda x: (x[..., :5], LENGTHS), r"shape \(5, 9, 5\); expected \[\*batch, 6\]"),
    (lambda x: (x[0], LENGTHS), r"x.unsqueeze\(0\)"),
    (lambda x: (x + 1, LENGTHS), "from 1 to 2; expected values in"),
    (lambda x: (x.long(), LENGTHS), "dtype torch.int64"),
    (lambda x: x, "batches of .sequences, lengths."),
]


@pytest.mark.parametrize(("spoil", "sentence"), BAD)
def test_bad_batches_are_refused_in_a_sentence(spoil, sentence):
    model, guide, x = parts()
    with pytest.raises(ValueError, match=sentence):
        SequenceElbo(model, guide)(spoil(x))


def test_parts_that_do_not_fit_are_refused_in_a_sentence():
    model, guide, x = parts()
    for options, sentence in (
        ({"guide": "backwards"}, "'backwards'; expected one of 'future'"),
        ({"cell": "lstm"}, "'lstm'; expected one of 'gru'"),
        ({"flows": -1}, "flows=-1"),
        ({"latent": 0}, "latent=0"),
    ):
        with pytest.raises(ValueError, match=sentence):
            deep_markov_model(KEYS, **options)
    with pytest.raises(ValueError, match="one and the same vector"):
        DeepMarkovModel(GatedTransition(3), BernoulliConditional((2,), (KEYS,), FeedForward(())))
    other, _ = deep_markov_model(KEYS + 1, latent=LATENT)
    with pytest.raises(ValueError, match="they must be the same"):
        SequenceElbo(other, guide)
    for options, sentence in (({"num_samples": 0}, "num_samples"), ({"rate_weight": -1.0}, "rate_weight=-1.0")):
        with pytest.raises(ValueError, match=sentence):
            SequenceElbo(model, guide, **options)
    _, flowing, x = parts(flows=1)
    with pytest.raises(ValueError, match="flows=1 or more"):
        AnalyticKlSequenceElbo(model, flowing)((x, LENGTHS))
