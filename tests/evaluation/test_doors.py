"""The doors of the measurements: each mistake is a sentence, and what may be given is taken."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from helpers.data import load_images
from helpers.distributions import (
    BernoulliConditional,
    CategoricalConditional,
    GaussianConditional,
    StandardNormalPrior,
)
from helpers.evaluation import accuracy, active_units, evaluate_bound, evaluate_sequences, particle_log_marginal
from helpers.evaluation.doors import named
from helpers.models import AmortizedGuide, Elbo, LatentVariableModel, deep_markov_model
from helpers.networks import FeedForward

IMAGE = (1, 2, 2)


def parts():
    model = LatentVariableModel(StandardNormalPrior(2), BernoulliConditional(2, IMAGE, FeedForward((3,))))
    return model, AmortizedGuide(GaussianConditional(IMAGE, 2, FeedForward((3,)))), torch.rand(6, *IMAGE)


# For each measurement: changes of its arguments by position, and the words of the sentence.
BOUND = [
    ("guide first", lambda m, g, x: (g, m, x, 2), "Got an AmortizedGuide as model.*another order"),
    ("images first", lambda m, g, x: (x, m, g, 2), r"Got a tensor of shape \[6, 1, 2, 2\].* as model"),
    ("an objective", lambda m, g, x: (Elbo(m, g), g, x, 2), "Got an Elbo as model.*give its .model"),
    ("a class", lambda m, g, x: (LatentVariableModel, g, x, 2), "Got the class LatentVariableModel as model.*parentheses"),
    ("a sequence model", lambda m, g, x: (deep_markov_model(4, latent=2)[0], g, x, 2), "Got a DeepMarkovModel as model"),
    ("an objective as guide", lambda m, g, x: (m, Elbo(m, g), x, 2), "Got an Elbo as guide.*give its .guide"),
    ("the model twice", lambda m, g, x: (m, m, x, 2), "Got a LatentVariableModel as guide.*model comes first"),
    ("a class as guide", lambda m, g, x: (m, AmortizedGuide, x, 2), "Got the class AmortizedGuide as guide"),
    ("a function as guide", lambda m, g, x: (m, g.forward, x, 2), "Got a function, forward, as guide"),
    ("no guide", lambda m, g, x: (m, None, x, 2), "Got None as guide"),
    ("an array", lambda m, g, x: (m, g, x.numpy(), 2), "Got a ndarray as images.*as_tensor|Got an ndarray"),
    ("a list", lambda m, g, x: (m, g, list(x), 2), "Got a list of 6 as images"),
    ("a data set", lambda m, g, x: (m, g, load_images("digits"), 2), "Got an ImageData as images.*tensor inside"),
    ("no image", lambda m, g, x: (m, g, x[:0], 2), r"shape \[0, 1, 2, 2\].*1 or more of them"),
    ("a number", lambda m, g, x: (m, g, torch.tensor(1.0), 2), r"Got a tensor of shape \[\]"),
    ("no draw", lambda m, g, x: (m, g, x, 0), "Got num_samples=0; expected the draws of z per image"),
    ("a share of a draw", lambda m, g, x: (m, g, x, 0.5), "Got num_samples=0.5"),
    ("draws as a float", lambda m, g, x: (m, g, x, 1e3), "Got num_samples=1000.0"),
    ("no pair", lambda m, g, x: (m, g, x, 2, 0), "Got max_evaluations=0"),
    ("half precision", lambda m, g, x: (m, g, x.half(), 2), r"input of dtype torch\.float16; expected torch\.float32.*images\.to"),
    ("double precision", lambda m, g, x: (m, g, x.double(), 2), "float64.*images.float"),
]  # fmt: skip
UNITS = [
    ("images first", lambda m, g, x: (x, g), "as guide; expected a module"),
    ("the model", lambda m, g, x: (m, x), "Got a LatentVariableModel as guide"),
    ("an objective", lambda m, g, x: (Elbo(m, g), x), "Got an Elbo as guide.*give its .guide"),
    ("one image", lambda m, g, x: (g, x[:1]), "2 or more of them"),
    ("an array", lambda m, g, x: (g, x.numpy()), "as images; expected a tensor"),
    ("one draw", lambda m, g, x: (g, x, 0.01, 1), "Got num_samples=1; expected .* 2 or more"),
    ("NaN", lambda m, g, x: (g, x, math.nan), "Got threshold=nan; expected a variance"),
    ("a threshold in words", lambda m, g, x: (g, x, "0.01"), "Got threshold='0.01'"),
    ("half precision", lambda m, g, x: (g, x.half()), r"input of dtype torch\.float16; expected torch\.float32"),
]  # fmt: skip
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
ACCURACY = [
    ("images first", lambda c, x: (x, c, LABELS), "as classifier; expected a module"),
    ("a class", lambda c, x: (CategoricalConditional, x, LABELS), "Got the class CategoricalConditional as classifier"),
    ("a guide that holds it", lambda c, x: (Holds(c), x, LABELS), None),
    ("labels of another split", lambda c, x: (c, x, LABELS[:3]), r"labels of shape \[3\].*expected int64 \[6\], one class per item"),
    ("floats", lambda c, x: (c, x, LABELS.float()), "dtype float32.*labels.long"),
    ("one-hot", lambda c, x: (c, x, torch.eye(3).long()[LABELS]), r"shape \[6, 3\].*argmax"),
    ("booleans", lambda c, x: (c, x, LABELS > 0), "dtype bool .*expected int64"),
    ("no labels", lambda c, x: (c, x, None), "Got None as labels; expected a tensor"),
    ("a list", lambda c, x: (c, x, LABELS.tolist()), "Got a list of 6 as labels.*as_tensor"),
    ("no image", lambda c, x: (c, x[:0], LABELS[:0]), r"shape \[0, 3\].*1 or more"),
    ("no batch", lambda c, x: (c, x, LABELS, 0), "Got batch_size=0; expected the images of a call"),
]  # fmt: skip
SEQUENCES = [
    ("guide first", lambda m, g, x, n: (g, m, x, n, 2), "as model; expected a DeepMarkovModel.*another order"),
    ("model twice", lambda m, g, x, n: (m, m, x, n, 2), "Got a DeepMarkovModel as guide"),
    ("a model of images", lambda m, g, x, n: (parts()[0], g, x, n, 2), "Got a LatentVariableModel as model"),
    ("a guide of images", lambda m, g, x, n: (m, parts()[1], x, n, 2), "Got an AmortizedGuide as guide"),
    ("lengths first", lambda m, g, x, n: (m, g, n, x, 2), "sequences|lengths"),
    ("an array", lambda m, g, x, n: (m, g, x.numpy(), n, 2), "as x; expected a tensor"),
    ("a list of lengths", lambda m, g, x, n: (m, g, x, n.tolist(), 2), "Got a list of 3 as lengths.*as_tensor"),
    ("no sequence", lambda m, g, x, n: (m, g, x[:0], n[:0], 2), "1 or more of them"),
    ("no draw", lambda m, g, x, n: (m, g, x, n, 0), "=0; expected the pa"),
    ("a share", lambda m, g, x, n: (m, g, x, n, 0.5), "=0.5; expected the pa"),
]  # fmt: skip


class Holds(nn.Module):
    def __init__(self, classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x):
        return self.classifier(x)


def refuse(call, arguments, words) -> None:
    with pytest.raises(ValueError, match=words) as error:
        call(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("mistake", "words"), [row[1:] for row in BOUND], ids=[row[0] for row in BOUND])
def test_evaluate_bound(mistake, words):
    refuse(evaluate_bound, mistake(*parts()), words)


@pytest.mark.parametrize(("mistake", "words"), [row[1:] for row in UNITS], ids=[row[0] for row in UNITS])
def test_active_units(mistake, words):
    refuse(active_units, mistake(*parts()), words)


@pytest.mark.parametrize(("mistake", "words"), [row[1:] for row in ACCURACY], ids=[row[0] for row in ACCURACY])
def test_accuracy(mistake, words):
    arguments = mistake(CategoricalConditional((3,), (3,), nn.Linear(3, 3)), torch.rand(6, 3))
    if words is None:
        assert 0 <= accuracy(*arguments).mean <= 1
    else:
        refuse(accuracy, arguments, words)


@pytest.mark.parametrize("measure", [evaluate_sequences, particle_log_marginal])
@pytest.mark.parametrize(("mistake", "words"), [row[1:] for row in SEQUENCES], ids=[row[0] for row in SEQUENCES])
def test_sequences(measure, mistake, words):
    model, guide = deep_markov_model(4, latent=2, emission=(3,), transition=3, rnn=3)
    refuse(measure, mistake(model, guide, torch.ones(3, 5, 4), torch.tensor([5, 2, 3])), words)


def test_counts_and_shares_of_sequences():
    model, guide = deep_markov_model(4, latent=2, emission=(3,), transition=3, rnn=3)
    x, lengths = torch.ones(3, 5, 4), torch.tensor([5, 2, 3])
    refuse(evaluate_sequences, (model, guide, x, lengths, 2, 0), "Got batch_size=0")
    refuse(evaluate_sequences, (model, guide, x, lengths, 2, 2, True, 0), "Got max_evaluations=0")
    for share in (-0.1, 1.5, math.nan, True, "half"):
        refuse(particle_log_marginal, (model, guide, x, lengths, 2, share), "Got resample_below=.*; expected a share")
    refuse(evaluate_sequences, (model, guide, x.half(), lengths, 2), "float16 on cpu for parameters of float32")


def test_numpys_integers_are_taken():
    model, guide, x = parts()
    assert evaluate_bound(model, guide, x, np.int64(2), np.int32(5)).num_samples == 2
    assert active_units(guide, x, np.float64(0.5), np.int64(3)).threshold == 0.5
    model, guide = deep_markov_model(4, latent=2, emission=(3,), transition=3, rnn=3)
    lengths = torch.tensor([5, 2, 3])
    assert evaluate_sequences(model, guide, torch.ones(3, 5, 4), lengths, np.int64(2), np.int64(2)).num_samples == 2


def test_everything_works_in_double_precision_by_default():
    torch.set_default_dtype(torch.float64)
    model, guide, x = parts()
    assert math.isfinite(evaluate_bound(model, guide, x, num_samples=3).elbo.mean)
    assert active_units(guide, x).variance.dtype == torch.float64
    model, guide = deep_markov_model(4, latent=2, emission=(3,), transition=3, rnn=3)
    measured = evaluate_sequences(model, guide, torch.ones(3, 5, 4), torch.tensor([5, 2, 3]), num_samples=4)
    assert math.isfinite(measured.bound.mean) and math.isfinite(measured.log_marginal_smc.mean)


def test_single_precision_works_too_if_double_is_the_default():
    torch.set_default_dtype(torch.float64)
    model, guide, x = parts()
    assert math.isfinite(evaluate_bound(model.float(), guide.float(), x.float(), num_samples=3).elbo.mean)
    model, guide = (part.float() for part in deep_markov_model(4, latent=2, emission=(3,), transition=3, rnn=3))
    x, lengths = torch.ones(3, 5, 4, dtype=torch.float32), torch.tensor([5, 2, 3])
    assert math.isfinite(evaluate_sequences(model, guide, x, lengths, num_samples=4).log_marginal_smc.mean)


@pytest.mark.parametrize(
    ("value", "words"),
    [(Elbo, "the class Elbo"), (len, "a function, len,"), (None, "None"), (0.5, "0.5"), ("a", "'a'"), ([1], "a list of 1"),
     (torch.ones(2), "a tensor of shape [2] and dtype float32"), (nn.Linear(1, 1), "a Linear"), ({}, "a dict of 0")],
)  # fmt: skip
def test_things_have_names(value, words):
    assert named(value) == words
