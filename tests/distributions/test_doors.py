"""Mistakes at the doors of priors, conditionals and recipes: each is a ValueError in a sentence. NumPy's integers are none."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Normal

from helpers.distributions import (
    BernoulliConditional,
    BernoulliPrior,
    CategoricalConditional,
    CategoricalPrior,
    GatedTransition,
    GaussianConditional,
    MixtureOfGaussiansConditional,
    MixtureOfGaussiansPrior,
    SigmoidBeliefPrior,
    StandardNormalPrior,
    support,
)
from helpers.networks import ConvolutionalDecoder, ConvolutionalEncoder, FeedForward, as_shape

NET = FeedForward((4,))

MISTAKES = {
    "no size": (lambda: StandardNormalPrior(0), r"sizes of 1 or more, and \(0,\)"),
    "a negative size": (lambda: BernoulliPrior(-2), "must be an integer of 0 or more; -2 was given"),
    "half a size": (lambda: StandardNormalPrior(2.5), "must be an integer.*2.5 was given"),
    "a size of words": (lambda: BernoulliPrior("ten"), "must be an integer.*'ten' was given"),
    "a size None": (lambda: StandardNormalPrior(None), "must be an integer.*None was given"),
    "a tensor as size": (lambda: StandardNormalPrior(torch.tensor(2)), r"must be an integer.*\.item\(\)"),
    "a true size": (lambda: CategoricalPrior(True), "must be an integer.*True was given"),
    "one-hot without a dimension": (lambda: CategoricalPrior(()), r"categories, and the event shape \(\) was given"),
    "half a component": (lambda: MixtureOfGaussiansPrior(2, 2.5), "num_components must be an integer of 1 or more; 2.5"),
    "no component": (lambda: MixtureOfGaussiansConditional(2, 2, NET, 0), "num_components=0 was given"),
    "a component of words": (lambda: MixtureOfGaussiansConditional(2, 2, NET, "2"), "num_components must be an integer"),
    "a negative spread": (lambda: MixtureOfGaussiansPrior(2, 3, -1.0), "spread=-1.0 was given; expected a standard deviation"),
    "a spread NaN": (lambda: MixtureOfGaussiansPrior(2, 3, math.nan), "spread=nan was given"),
    "half a batch": (lambda: StandardNormalPrior(2)(2.5), "must be an integer.*2.5"),
    "a batch of words": (lambda: BernoulliPrior(2)(("a",)), "must be an integer.*'a'"),
    "half a layer": (lambda: SigmoidBeliefPrior((2, 0.5)), "`sizes` must be the bits of each layer"),
    "half a latent": (lambda: GatedTransition(2.5), "latent must be an integer"),
    "no latent": (lambda: GatedTransition(0), "latent=0"),
    "an empty outcome": (lambda: GaussianConditional(2, (3, 0), NET), r"outcome of GaussianConditional has shape \(3, 0\)"),
    "an empty input": (lambda: BernoulliConditional((0,), 3, NET), r"input of BernoulliConditional has shape \(0,\)"),
    "a class as network": (lambda: GaussianConditional(2, 3, FeedForward), "the class FeedForward as its network"),
    "a class of layers as network": (lambda: GaussianConditional(2, 3, nn.Linear), "the class Linear as its network"),
    "a function as network": (lambda: GaussianConditional(2, 3, torch.tanh), "a builtin_function.* as its network; expected"),
    "sizes as network": (lambda: BernoulliConditional(2, 3, (400,)), "a tuple as its network; expected a recipe"),
    "None as network": (lambda: CategoricalConditional(2, 3, None), "a NoneType as its network; expected a recipe"),
    "shapes and network in another order": (lambda: GaussianConditional(NET, 2, 3), "must be an integer"),
    "an input that is no tensor": (lambda: GaussianConditional(2, 3, NET)([[0.0, 1.0]]), "as a list; expected a tensor"),
    "an input of an array": (lambda: GaussianConditional(2, 3, NET)(np.zeros((4, 2))), "as a ndarray.*torch.as_tensor"),
    "an input of integers": (lambda: GaussianConditional(2, 3, NET)(torch.zeros(4, 2).long()), "dtype torch.int64"),
    "an input of half precision": (lambda: GaussianConditional(2, 3, NET)(torch.zeros(4, 2).half()), "dtype torch.float16"),
    "an input of another size": (lambda: GaussianConditional(2, 3, NET)(torch.zeros(4, 3)), r"expected \[\*batch, 2\]"),
    "a network of another size": (
        lambda: GaussianConditional(2, 3, nn.Linear(2, 3))(torch.zeros(4, 2)), r"returned the shape \(4, 3\)"),
    "a tensor's support": (lambda: support(torch.zeros(3)), "support was given a Tensor; expected a distribution"),
    "a prior's support": (lambda: support(BernoulliPrior(3)), "support was given a BernoulliPrior.*prior()"),
    "a Gaussian's support": (lambda: support(Normal(0.0, 1.0)), "Normal cannot list its outcomes"),
    "a number of hidden units": (lambda: FeedForward(400), r"hidden=400; expected a tuple.*such as \(400,\)"),
    "no hidden units": (lambda: FeedForward((400, 0)), r"a size in hidden=\(400, 0\) of FeedForward must be.*0 was given"),
    "half a hidden unit": (lambda: FeedForward((2.5,)), "must be an integer of 1 or more; 2.5"),
    "hidden units of words": (lambda: FeedForward("400"), "hidden='400'; expected a tuple"),
    "an instance as activation": (lambda: FeedForward((4,), nn.ReLU()), r"an instance, ReLU\(\), as its activation; expected a class"),
    "a name as activation": (lambda: FeedForward((4,), "relu"), "given 'relu', as its activation; expected a class"),
    "dropout of 1": (lambda: FeedForward((4,), dropout=1.0), "dropout=1.0; expected a probability, 0 or more and below 1"),
    "negative dropout": (lambda: FeedForward((4,), dropout=-0.1), "dropout=-0.1; expected a probability"),
    "dropout NaN": (lambda: ConvolutionalEncoder(dropout=math.nan), "dropout=nan; expected a probability"),
    "dropout for activation": (lambda: FeedForward((4,), 0.5), "given 0.5, as its activation"),
    "a number of channels": (lambda: ConvolutionalEncoder(32), r"channels=32; expected a tuple"),
    "no channels": (lambda: ConvolutionalDecoder((0,)), "of ConvolutionalDecoder must be an integer of 1 or more"),
    "an instance in a decoder": (lambda: ConvolutionalDecoder((4,), nn.ReLU()), "ConvolutionalDecoder was given an instance"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_refused_in_a_sentence(name):
    make, sentence = MISTAKES[name]
    with pytest.raises(ValueError, match=sentence):
        make()


def test_what_is_no_mistake():
    size = np.int64(3)
    for prior in (
        StandardNormalPrior(size),
        BernoulliPrior(size),
        CategoricalPrior(size),
        MixtureOfGaussiansPrior(2, size),
    ):
        assert prior(size).batch_shape == (3,)
        assert prior(5).batch_shape == (5,)
        assert prior([2, size]).batch_shape == (2, 3)
        assert prior(torch.Size((4,))).sample().shape[0] == 4
    assert SigmoidBeliefPrior([size, np.int32(2)]).sizes == (3, 2)
    assert FeedForward([size], dropout=np.float64(0.1)).hidden == (3,)
    assert FeedForward([4]) == FeedForward((4,))
    assert MixtureOfGaussiansConditional(size, size, NET, size)(torch.zeros(2, 3)).event_shape == (3,)
    assert GaussianConditional(torch.Size((2,)), [1, 2, 2], lambda_free_network())(torch.zeros(2)).event_shape == (
        1,
        2,
        2,
    )
    assert as_shape([1, size]) == (1, 3)


def lambda_free_network():
    return nn.Sequential(nn.Linear(2, 8), nn.Unflatten(-1, (2, 1, 2, 2)))


def test_a_conditional_computes_its_distribution_in_single_precision_under_autocast():
    for make in (GaussianConditional, BernoulliConditional, CategoricalConditional):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            q = make(2, 3, NET)(torch.zeros(4, 2))
            assert q.sample().dtype == torch.float32
            assert make(2, 3, NET)(torch.zeros(4, 2, dtype=torch.bfloat16)).sample().dtype == torch.float32
        double = make(2, 3, NET).double()
        assert double(torch.zeros(4, 2).double()).sample().dtype == torch.float64
        half = make(2, 3, NET).bfloat16()
        assert half(torch.zeros(4, 2).bfloat16()).sample().dtype == torch.bfloat16
